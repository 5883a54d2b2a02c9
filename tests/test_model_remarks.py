"""What a model's file hides: a normalisation, wide quantizers, weights that are not numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import Layout, Type
from openvino import opset13 as ops
from openvino.preprocess import PrePostProcessor

from backend import Remark
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.images.transforms import VGG
from mlperf_benchmark.openvino_model.finite import refuse_non_finite
from mlperf_benchmark.openvino_model.remarks import model_remarks
from tests.conftest import Runner
from tests.test_openvino_runs import palette, run, solid
from tests.tiny_models import Tiny

MEAN = list(VGG.image.mean)
TOLD = {"mean_values": "123.68 116.78 103.94", "scale_values": "58.4 57.12 57.38"}


def with_normalisation(element_type: Type) -> ov.Model:
    """A tiny model that subtracts a mean and divides by a scale, as converters build it in."""
    processor = PrePostProcessor(Tiny().build())
    image = processor.input()
    image.tensor().set_element_type(element_type).set_layout(Layout("NCHW"))
    image.model().set_layout(Layout("NCHW"))
    image.preprocess().convert_element_type(Type.f32).mean(MEAN).scale([58.4, 57.12, 57.38])
    return processor.build()


def told(model: ov.Model, section: str = "model_info", **values: str) -> ov.Model:
    for name, text in values.items():
        model.set_rt_info(text, [section, name])
    return model


def saved(model: ov.Model, folder: Path) -> Path:
    path = folder / "told.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    return path


def remarks(model: ov.Model) -> Sequence[Remark]:
    return model_remarks(model, VGG.image)


def test_normalisation_in_the_graph_is_named_before_the_run_and_explains_the_accuracy(
    benchmark: Runner, tmp_path: Path
) -> None:
    model = saved(told(with_normalisation(Type.f32), **TOLD), tmp_path)
    images = solid(tmp_path / "images", palette(), [999] * 11)
    done = run(benchmark, model, images, "--accuracy")
    note, *_ = done.stdout.splitlines()
    assert note.startswith("Note: The model's graph begins with a normalisation of its own")
    assert "subtracts 123.68, 116.78, 103.94" in note
    assert "mean_values 123.68 116.78 103.94; scale_values 58.4" in note
    embedded, chance = done.result["warnings"]
    assert note == f"Note: {embedded}"
    assert chance.startswith("Top-1 0/11 is no better than guessing among 1000 classes.")
    for cause in ("--dataset", "normalisation in its graph", "labels in another order", "INT8"):
        assert cause in chance


def test_input_of_pixels_is_rightly_normalised_by_the_graph() -> None:
    (remark,) = remarks(with_normalisation(Type.u8))
    assert remark.text.startswith("The model normalises its images itself (subtracts 123.68")
    assert not remark.is_doubtful


@pytest.mark.parametrize(
    ("values", "section", "doubtful"),
    [
        ({"mean_values": "123.68 116.78 103.94"}, "model_info", False),
        ({"mean_values": "image1[123.68,116.78,103.94]"}, "conversion_parameters", False),
        ({"mean_values": "0.485 0.458 0.4076", "scale_values": "1"}, "model_info", False),
        ({"mean_values": "127.5"}, "model_info", True),
        ({"mean_values": "1 2"}, "model_info", True),
        ({"mean_values": "0.485 0.456 0.406", "scale_values": "0.229"}, "model_info", True),
    ],
)
def test_normalisation_that_the_file_tells_is_compared_with_the_data_sets(
    tmp_path: Path, values: dict[str, str], section: str, doubtful: bool
) -> None:
    path = saved(told(Tiny().build(), section, **values), tmp_path)
    (remark,) = remarks(ov.Core().read_model(path))
    assert remark.is_doubtful == doubtful
    assert f"mean_values {values['mean_values']}" in remark.text


def test_pixels_that_nothing_normalises_are_doubtful() -> None:
    (remark,) = remarks(told(Tiny(element_type=Type.u8).build(), **TOLD))
    assert remark.is_doubtful
    assert "its graph does not begin with" in remark.text


@pytest.mark.parametrize("text", ["", "None", "Not specified"])
def test_nothing_is_said_of_a_plain_model(text: str) -> None:
    assert remarks(told(Tiny(layout="NHWC").build(), mean_values=text)) == ()


@pytest.mark.parametrize(("levels", "count"), [(256, 0), (65536, 1)])
def test_quantizers_of_16_bits_are_doubtful(levels: int, count: int) -> None:
    image = ops.parameter([1, 3, 8, 8], Type.f32)
    low, high = np.float32(0), np.float32(1)
    model = ov.Model([ops.fake_quantize(image, low, high, low, high, levels)], [image])
    found = remarks(model)
    assert len(found) == count
    assert all(remark.is_doubtful and "8 bits" in remark.text for remark in found)


def layer(weights: NDArray[np.float32], bias: float = 0, mask: float = 0) -> ov.Model:
    """A convolution with a bias, and a mask on the product of two activations."""
    image = ops.parameter([1, 3, 8, 8], Type.f32)
    stored = ops.constant(weights, name="kernel")
    kernel = stored if weights.dtype == np.float32 else ops.convert(stored, "f32")
    ends = [[0, 0], [0, 0]]
    out = ops.convolution(image, kernel, [1, 1], *ends, [1, 1], name="stem")
    biased = ops.add(out, ops.constant(np.full((1, 4, 1, 1), bias, np.float32), name="bias"))
    product = ops.matmul(biased, biased, False, True)
    return ov.Model([ops.add(product, ops.constant(np.full(8, mask, np.float32)))], [image])


def kernel(value: float, kind: type[np.floating] = np.float32) -> NDArray[np.float32]:
    weights = np.ones((4, 3, 1, 1), kind)
    weights[1, 2] = value
    return weights


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (layer(kernel(np.nan)), "weights kernel of layer stem hold NaN values"),
        (layer(kernel(np.inf)), "weights kernel of layer stem hold infinite values"),
        (layer(kernel(np.nan, np.float16)), "weights kernel of layer stem hold NaN values"),
        (layer(kernel(1), bias=-np.inf), "weights bias of layer stem hold infinite values"),
        (layer(kernel(1), mask=np.nan), "hold NaN values"),
    ],
    ids=["NaN", "infinite", "FP16", "bias", "elsewhere"],
)
def test_weights_that_are_no_numbers_are_refused_by_layer(model: ov.Model, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        refuse_non_finite(model)


def test_infinite_masks_are_no_weights() -> None:
    refuse_non_finite(layer(kernel(1), mask=-np.inf))


def test_weights_that_fp16_could_not_hold_are_doubtful(tmp_path: Path) -> None:
    """OpenVINO stores NaN as the largest number of that type, and nothing shows it any more."""
    path = tmp_path / "half.xml"
    ov.save_model(layer(kernel(np.nan)), path, compress_to_fp16=True)
    model = ov.Core().read_model(path)
    refuse_non_finite(model)
    (remark,) = remarks(model)
    assert "65504" in remark.text
    assert remark.is_doubtful


def test_no_figure_comes_out_of_weights_that_are_no_numbers(
    benchmark: Runner, tmp_path: Path
) -> None:
    class Broken(Tiny):
        @property
        def weights(self) -> NDArray[np.float32]:
            weights: NDArray[np.float32] = super().weights.copy()
            weights[1, 7] = np.nan
            return weights

    images = solid(tmp_path / "images", palette(), [0] * 11)
    done = run(benchmark, Broken().save(tmp_path), images, "--accuracy")
    assert done.status == 2
    assert "hold NaN values" in done.error
    assert done.left_nothing
