"""Model cards of every author become one preprocessing, and faults in them are named."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset import DATASETS, Dataset, DatasetConfig
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    CustomPreprocessing,
    ModelCard,
)
from mlperf_benchmark.models.files.cards.finding import card_beside, card_in_folder, read_card
from mlperf_benchmark.own_model.settling import own_model
from tests.synthetic_images import png, write_folder

HALF = [0.5, 0.5, 0.5]
IMAGENET = {"image_mean": list(IMAGENET_MEAN), "image_std": list(IMAGENET_STD)}
TIMM = {
    "input_size": [3, 224, 224],
    "fixed_input_size": False,
    "interpolation": "bicubic",
    "crop_pct": 0.875,
    "crop_mode": "center",
    "mean": list(IMAGENET_MEAN),
    "std": list(IMAGENET_STD),
    "num_classes": 1000,
    "first_conv": "conv_stem",
}


def completed(
    folder: Path, content: Any, size: tuple[int, int] | None = None, name: str = "config.json"
) -> CustomPreprocessing:
    """What a card of that content makes of a model that takes `size`."""
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    found = read_card(file, size)
    made, assumed = found.card.complete(size, takes_bytes=False, source="card")
    assert not assumed
    return made


def steps(*arguments: Any, **named: Any) -> str:
    return completed(*arguments, **named).steps


NORMAL = "mean 0.485 0.456 0.406, std 0.229 0.224 0.225"


@pytest.mark.parametrize(
    ("content", "size", "expected"),
    [
        ({"pretrained_cfg": TIMM}, (224, 224), f"resize 256 (bicubic), crop 224×224, {NORMAL}"),
        # Of versions before 0.9, and of model.pretrained_cfg itself.
        (TIMM | {"architecture": "a"}, None, f"resize 256 (bicubic), crop 224×224, {NORMAL}"),
        # Exported for another size than that of training.
        ({"pretrained_cfg": TIMM}, (288, 288), f"resize 329 (bicubic), crop 288×288, {NORMAL}"),
        (
            {"pretrained_cfg": TIMM | {"test_input_size": [3, 288, 288], "test_crop_pct": 0.95}},
            (288, 288),
            f"resize 303 (bicubic), crop 288×288, {NORMAL}",
        ),
        (
            {"pretrained_cfg": TIMM | {"test_input_size": [3, 288, 288], "test_crop_pct": 0.95}},
            (224, 224),
            f"resize 256 (bicubic), crop 224×224, {NORMAL}",
        ),
        (
            {"pretrained_cfg": TIMM | {"crop_mode": "squash", "crop_pct": 1.0, "mean": HALF}},
            (384, 384),
            "resize 384×384 (bicubic) squashed, crop 384×384, mean 0.5 0.5 0.5, "
            "std 0.229 0.224 0.225",
        ),
        # What is missing has timm's own defaults.
        (
            {"architecture": "a", "pretrained_cfg": {"num_classes": 1000}},
            (299, 299),
            f"resize 341 (bicubic), crop 299×299, {NORMAL}",
        ),
    ],
)
def test_timm(tmp_path: Path, content: Any, size: tuple[int, int] | None, expected: str) -> None:
    assert steps(tmp_path, content, size) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # google/vit-base-patch16-224, today's form and that of 2021.
        (
            {
                **{"image_processor_type": "ViTImageProcessor", "do_convert_rgb": None},
                **{"do_normalize": True, "do_rescale": True, "do_resize": True},
                **{"image_mean": HALF, "image_std": HALF, "resample": 2},
                **{"rescale_factor": 0.00392156862745098, "size": {"height": 224, "width": 224}},
            },
            "resize 224×224 (bilinear) squashed, crop 224×224, mean 0.5 0.5 0.5, std 0.5 0.5 0.5",
        ),
        (
            {
                **{"feature_extractor_type": "ViTFeatureExtractor", "do_normalize": True},
                **{"do_resize": True, "image_mean": HALF, "image_std": HALF},
                **{"resample": 2, "size": 224},
            },
            "resize 224×224 (bilinear) squashed, crop 224×224, mean 0.5 0.5 0.5, std 0.5 0.5 0.5",
        ),
        # microsoft/resnet-50, facebook/convnext-*, also above 384.
        (
            {
                **{"feature_extractor_type": "ConvNextFeatureExtractor", "crop_pct": 0.875},
                **{"resample": 3, "size": 224},
                **IMAGENET,
            },
            f"resize 256 (bicubic), crop 224×224, {NORMAL}",
        ),
        (
            {
                **{"image_processor_type": "ConvNextImageProcessorFast"},
                **{"resample": 3, "size": {"shortest_edge": 384}},
                **IMAGENET,
            },
            f"resize 384×384 (bicubic) squashed, crop 384×384, {NORMAL}",
        ),
        # facebook/deit-*: a size that is one number is a square.
        (
            {
                **{"feature_extractor_type": "DeiTFeatureExtractor", "crop_size": 224},
                **{"do_center_crop": True, "resample": 3, "size": 256},
                **IMAGENET,
            },
            f"resize 256×256 (bicubic) squashed, crop 224×224, {NORMAL}",
        ),
        # facebook/dinov2-*.
        (
            {
                **{"image_processor_type": "BitImageProcessor", "do_center_crop": True},
                **{"crop_size": {"height": 224, "width": 224}, "resample": 3},
                **{"size": {"shortest_edge": 256}},
                **IMAGENET,
            },
            f"resize 256 (bicubic), crop 224×224, {NORMAL}",
        ),
        (
            {"image_processor_type": "CLIPImageProcessor"},
            "resize 224 (bicubic), crop 224×224, mean 0.481455 0.457827 0.408211, "
            "std 0.26863 0.261303 0.275777",
        ),
        # google/mobilenet_v2_1.0_224.
        (
            {
                **{"image_processor_type": "MobileNetV2ImageProcessor", "resample": 2},
                **{"crop_size": {"height": 224, "width": 224}, "size": {"shortest_edge": 256}},
                **{"image_mean": HALF, "image_std": HALF},
            },
            "resize 256 (bilinear), crop 224×224, mean 0.5 0.5 0.5, std 0.5 0.5 0.5",
        ),
        # apple/mobilevit-small: BGR, no normalisation.
        (
            {
                **{"feature_extractor_type": "MobileViTFeatureExtractor", "crop_size": 256},
                **{"do_center_crop": True, "do_flip_channel_order": True, "resample": 2},
                **{"do_resize": True, "size": 288},
            },
            "resize 288 (bilinear), crop 256×256, BGR, mean 0 0 0, std 1 1 1",
        ),
        # google/efficientnet-b0: divided by the deviation twice.
        (
            {
                **{"image_processor_type": "EfficientNetImageProcessor", "include_top": True},
                **{"image_mean": list(IMAGENET_MEAN), "resample": 0, "do_center_crop": False},
                **{"image_std": [0.47853944, 0.4732864, 0.47434163], "rescale_offset": False},
                **{"crop_size": {"height": 289, "width": 289}, "rescale_factor": 1 / 255},
                **{"size": {"height": 224, "width": 224}},
            },
            f"resize 224×224 (nearest) squashed, crop 224×224, {NORMAL}",
        ),
        # facebook/levit-128S: the short side is 256 / 224 of the size.
        (
            {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 224}},
            f"resize 256 (bicubic), crop 224×224, {NORMAL}",
        ),
        # sail/poolformer_s12.
        (
            {
                **{"feature_extractor_type": "PoolFormerFeatureExtractor", "crop_pct": 0.9},
                **{"size": 224, "crop_size": 224},
                **IMAGENET,
            },
            f"resize 248 (bicubic), crop 224×224, {NORMAL}",
        ),
        # Pixels from -1 to 1 without mean and deviation.
        (
            {
                **{"image_processor_type": "SiglipImageProcessor", "do_normalize": False},
                **{"rescale_factor": 1 / 127.5, "rescale_offset": True},
            },
            "resize 224×224 (bicubic) squashed, crop 224×224, mean 1 1 1, std 1 1 1, "
            "of pixels × 0.00784314",
        ),
    ],
)
def test_hugging_face(tmp_path: Path, content: Any, expected: str) -> None:
    assert steps(tmp_path, content, name="preprocessor_config.json") == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "net.card.toml",
            'resize = 232\ncrop = 224\ninterpolation = "bilinear"\nmean = 0.5\n'
            "std = [0.25, 0.5, 0.25]\n",
        ),
        (
            "net.card.json",
            '{"resize": 232, "crop": [224, 224], "interpolation": "InterpolationMode.BILINEAR",'
            ' "mean": [0.5, 0.5, 0.5], "std": "0.25, 0.5, 0.25"}',
        ),
    ],
)
def test_cards_of_our_own(tmp_path: Path, name: str, text: str) -> None:
    expected = "resize 232 (bilinear), crop 224×224, mean 0.5 0.5 0.5, std 0.25 0.5 0.25"
    assert steps(tmp_path, text, name=name) == expected
    # It belongs to the file in every format.
    for suffix in (".onnx", ".tvm", ".pt2", ".xml"):
        found = card_beside(tmp_path / f"net{suffix}", None)
        assert found is not None
        assert found.file.name == name
    assert card_beside(tmp_path / "other.onnx", None) is None


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.card.toml", "resise = 256", 'Unknown word of a model card "resise".*"resize"'),
        ("a.card.toml", "resize = ", "is not TOML"),
        ("a.card.json", "[1]", "holds no names with values"),
        ("a.card.json", "{}", "it is empty; it may hold"),
        ("a.card.toml", "resize = 0", 'resize: "0" is neither a number of pixels nor'),
        ("a.card.toml", "resize = true", "resize is True, which is neither a number"),
        ("a.card.toml", "std = [0.2, 0, 0.2]", "not above 0 in each channel"),
        ("a.card.toml", "mean = [0.4, 0.5]", "neither one number nor one for each channel"),
        ("a.card.toml", "resize = 256\ncrop_pct = 0.9", "use one or the other"),
        ("a.card.toml", 'interpolation = "cubic"', '"cubic" is not one of bicubic, bilinear'),
        (
            "config.json",
            json.dumps({"pretrained_cfg": TIMM | {"crop_mode": "border"}}),
            '"border" is not one of center, squash',
        ),
        (
            "config.json",
            json.dumps({"pretrained_cfg": TIMM | {"input_size": [1, 28, 28]}}),
            "images here are",
        ),
        (
            "preprocessor_config.json",
            '{"image_processor_type": "SamImageProcessor"}',
            "SamImageProcessor is not an image processor that is known here",
        ),
        # A model's configuration under the other's name.
        (
            "preprocessor_config.json",
            '{"model_type": "vit", "image_size": 224}',
            "names no image_processor_type",
        ),
        (
            "preprocessor_config.json",
            '{"image_processor_type": "ViTImageProcessor", "do_resize": false}',
            "does not resize",
        ),
        (
            "preprocessor_config.json",
            '{"image_processor_type": "ViTImageProcessor", "resample": 9}',
            "Pillow's filters are 0 to 5",
        ),
        (
            "preprocessor_config.json",
            '{"image_processor_type": "ViTImageProcessor", "size": {"longest_edge": 224}}',
            "neither shortest_edge nor height and width",
        ),
    ],
)
def test_faults_are_named(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=reason) as caught:
        read_card(tmp_path / name, None)
    assert name in str(caught.value)


def test_what_lies_in_the_folder_is_found(tmp_path: Path) -> None:
    """Hugging Face's exporters write onnx/model.onnx below it; any config.json is no card."""
    model = tmp_path / "onnx" / "model.onnx"
    model.parent.mkdir()
    (tmp_path / "config.json").write_text('{"model_type": "resnet", "image_size": 224}')
    assert card_in_folder(model, None) is None
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": TIMM}))
    found = card_in_folder(model, None)
    assert found is not None
    assert found.file == tmp_path / "config.json"
    processor = tmp_path / "preprocessor_config.json"
    processor.write_text('{"image_processor_type": "ViTImageProcessor"}')
    found = card_in_folder(model, None)
    assert found is not None
    assert found.file == processor


def test_options_come_before_the_card_and_what_is_left_is_assumed(tmp_path: Path) -> None:
    (tmp_path / "net.card.toml").write_text("crop_pct = 0.9\nmean = 0.5\n")
    found = own_model(tmp_path / "net.onnx", ModelCard(resize=(240,), std=(0.1, 0.2, 0.3)), None)
    assert found.preprocessing is not None
    assert found.preprocessing.steps == (
        "resize 240 (bilinear), crop 224×224, mean 0.5 0.5 0.5, std 0.1 0.2 0.3"
    )
    assert found.preprocessing.source == (
        f"the command line, {tmp_path / 'net.card.toml'}; assumed: crop 224×224, as its size is "
        "not given, bilinear interpolation"
    )
    (remark,) = found.remarks
    assert "bilinear interpolation" in remark.text


def test_options_that_tell_all_spare_a_card_that_is_not_understood(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text('{"image_processor_type": "SamProcessor"}')
    told = ModelCard(resize=(256,), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    with pytest.raises(ModelError, match="say the same by --resize, --crop, --interpolation"):
        own_model(tmp_path / "net.onnx", told, None)
    found = own_model(tmp_path / "net.onnx", dataclasses.replace(told, interpolation="box"), None)
    assert found.preprocessing is not None
    assert found.preprocessing.interpolation == "box"


def test_black_borders_are_told(tmp_path: Path) -> None:
    told = ModelCard((224,), (256, 256), None, None, "bicubic", IMAGENET_MEAN, IMAGENET_STD)
    (remark,) = own_model(tmp_path / "net.onnx", told, None).remarks
    assert "black borders (resize 224 (bicubic), crop 256×256" in remark.text


def test_means_of_pixels_are_not_taken_for_shares() -> None:
    with pytest.raises(UsageError, match="add --rescale-factor 1"):
        ModelCard(mean=(123.7, 116.3, 103.5)).complete(None, False, "options")
    made, _ = ModelCard(mean=(123.7, 116.3, 103.5), rescale_factor=1).complete(None, False, "")
    assert made.image.mean == (123.7, 116.3, 103.5)


def pixels(name: str, folder: Path, wanted: CustomPreprocessing | None = None) -> Any:
    config = DatasetConfig(folder, cache_dir=folder / "cache", preprocessing=wanted)
    dataset: Dataset = DATASETS.load(name)(config)
    dataset.prepare()
    return dataset.load(range(len(dataset.labels)))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = {"a.png": png(500, 375), "b.png": png(333, 500), "c.png": png(100, 90)}
    return write_folder(tmp_path_factory.mktemp("pictures") / "set", images)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("imagenet_pytorch", CustomPreprocessing()),
        ("imagenet_efficientnet_lite", CustomPreprocessing(interpolation="bicubic")),
        (
            "imagenet_efficientnet_lite2",
            CustomPreprocessing((292, 292), crop=(260, 260), interpolation="bicubic"),
        ),
    ],
)
def test_pixels_equal_those_of_the_named(
    pictures: Path, name: str, wanted: CustomPreprocessing
) -> None:
    assert np.array_equal(pixels("custom", pictures, wanted), pixels(name, pictures))


def test_borders_squashing_and_the_order_of_channels(pictures: Path) -> None:
    plain = pixels("custom", pictures, CustomPreprocessing((96, 96), crop=(96, 96)))
    wider = pixels("custom", pictures, CustomPreprocessing((96, 96), crop=(101, 101)))
    # What is smaller than the crop gets black borders, the smaller half of them at the corner.
    assert not wider[0, :2].any()
    assert np.array_equal(wider[0, 2:98].shape, (96, 101, 3))
    bgr = pixels(
        "custom", pictures, CustomPreprocessing((96, 96), crop=(96, 96), channel_order="BGR")
    )
    assert np.array_equal(bgr, plain[..., ::-1])
    squashed = pixels(
        "custom", pictures, CustomPreprocessing((80, 120), keeps_aspect=False, crop=(80, 120))
    )
    covering = pixels("custom", pictures, CustomPreprocessing((80, 120), crop=(80, 120)))
    assert squashed.shape == covering.shape == (3, 80, 120, 3)
    assert not np.array_equal(squashed, covering)
