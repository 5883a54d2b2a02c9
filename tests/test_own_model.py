"""Models of the user's own through the commands: no profile, a card, any size and any output."""

import json
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from mlperf_benchmark.core.preprocessing import ModelCard
from mlperf_benchmark.models.prepare.options import parse as prepare_options
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.own_model.settling import own_model
from mlperf_benchmark.tvm_compiler.compiler import compile_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions
from tests.command import Run
from tests.compare.command import comparison_of, run_compare
from tests.conftest import Runner
from tests.models.test_prepare import command
from tests.network.server.commands import run_serve
from tests.synthetic_images import png, write_folder
from tests.test_openvino_runs import COUNT, palette, solid
from tests.test_torch_backends import TinyModule
from tests.tiny_models import Tiny
from tests.tiny_onnx import save_onnx

MEAN, STD = (0.1, 0.5, 0.9), (0.3, 0.2, 0.1)
CARD = f"mean = {list(MEAN)}\nstd = {list(STD)}\nresize = 320\ninterpolation = 'nearest'\n"
ALL_RIGHT = {"top1": 100.0, "good": COUNT, "total": COUNT}


def compiled(tiny: Tiny, folder: Path) -> Path:
    path = folder / "tiny.tvm"
    options = CompileOptions(batches=(1,))
    compile_model(onnx.load(save_onnx(tiny, folder)), path, options, lambda _: None)
    return path


SAVE: MappingProxyType[str, Callable[[Tiny, Path], Path]] = MappingProxyType(
    {"openvino": Tiny.save, "onnxruntime": save_onnx, "tvm": compiled}
)


def images(folder: Path, tiny: Tiny, shift: int = 0) -> Path:
    """Labelled by what `tiny` answers in the preprocessing of `CARD`, plus `shift`."""
    colours = palette()
    mean, std = ([255 * value for value in values] for values in (MEAN, STD))
    answers = tiny.answers(colours[:, None, None, :], mean, std) + shift
    return solid(folder / "images", colours, answers.tolist())


def accuracy(benchmark: Runner, model: Path, folder: Path, *arguments: object) -> Run:
    """Without a profile, and by the card beside the model."""
    model.with_name("tiny.card.toml").write_text(CARD)
    done = benchmark("--model", model, "--dataset-path", folder, "--accuracy", *arguments)
    assert done.status == 0, done.stderr
    return done


@pytest.mark.parametrize(
    ("backend", "size"), [("openvino", 240), ("onnxruntime", 299), ("tvm", 260)]
)
def test_a_card_is_all_that_a_model_of_any_size_needs(
    benchmark: Runner, tmp_path: Path, backend: str, size: int
) -> None:
    tiny = Tiny(size=size)
    model = SAVE[backend](tiny, tmp_path)
    done = accuracy(
        *(benchmark, model, images(tmp_path, tiny)),
        *(("--backend", backend) if backend == "onnxruntime" else ()),
    )
    result = done.result
    assert result["accuracy"] == ALL_RIGHT
    assert result["backend"]["name"] == backend
    assert result["config"]["profile"] == "custom"
    used = result["dataset"]["preprocessing"]
    assert (used["resize"], used["crop"]) == ([320, 320], [size, size])
    assert (used["mean"], used["std"]) == (list(MEAN), list(STD))
    assert used["source"].endswith("tiny.card.toml")
    assert not result["warnings"]
    assert f"resize 320 (nearest), crop {size}×{size}, mean 0.1 0.5 0.9" in done.stdout


def test_options_and_what_is_assumed_are_told(benchmark: Runner, tmp_path: Path) -> None:
    tiny = Tiny()
    model, folder = tiny.save(tmp_path), images(tmp_path, tiny)
    run = ("--profile", "custom", "--model", model, "--dataset-path", folder, "--accuracy")
    told = benchmark(*run, "--mean", "0.1,0.5,0.9", "--std", "0.3 0.2 0.1")
    assert told.result["accuracy"] == ALL_RIGHT
    (warning,) = told.result["warnings"]
    assert "resize 256 (crop / 0.875), bilinear interpolation." in warning
    assumed = benchmark(*run, "--overwrite")
    assert "Note: The preprocessing is assumed" in assumed.stdout
    assert "ImageNet's mean and std" in assumed.result["warnings"][0]
    assert assumed.result["accuracy"] != ALL_RIGHT
    source = assumed.result["dataset"]["preprocessing"]["source"]
    assert source.startswith("neither options nor a card; assumed: resize 256")


def test_what_timm_and_transformers_left_beside_the_model_is_read(
    benchmark: Runner, tmp_path: Path
) -> None:
    tiny = Tiny()
    model, folder = save_onnx(tiny, tmp_path), images(tmp_path, tiny)
    timm = {"input_size": [3, 224, 224], "mean": MEAN, "std": STD, "interpolation": "nearest"}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": timm}))
    run = ("--model", model, "--dataset-path", folder, "--accuracy")
    assert benchmark(*run).result["accuracy"] == ALL_RIGHT
    processor = tmp_path / "elsewhere.json"
    fields = {"image_mean": MEAN, "image_std": STD, "size": 224}
    processor.write_text(json.dumps({"feature_extractor_type": "ViTFeatureExtractor"} | fields))
    done = benchmark(*run, "--model-card", processor, "--overwrite")
    assert done.result["accuracy"] == ALL_RIGHT
    assert done.result["dataset"]["preprocessing"]["keeps_aspect"] is False


def test_a_prepared_model_tells_its_data_set(
    benchmark: Runner, sample: Sample, tmp_path: Path
) -> None:
    done = benchmark("--model", sample.model, "--dataset-path", sample.images, "--accuracy")
    assert done.result["dataset"]["name"] == "imagenet_efficientnet_lite"
    assert done.result["accuracy"] == {"top1": 90.0, "good": 18, "total": 20}
    assert not [line for line in done.result["warnings"] if "assumed" in line]


def test_a_state_dict_takes_images_of_its_architectures_size(tmp_path: Path) -> None:
    options = ["efficientnet-lite1", "--weights=random", "--backend=torch", f"--output={tmp_path}"]
    model = prepare_model(prepare_options(options))
    image = own_model(model, ModelCard(), None, dataset="synthetic").image
    assert (image.height, image.width) == (240, 240)


def test_speed_needs_no_images(benchmark: Runner, tmp_path: Path) -> None:
    model = save_onnx(Tiny(size=288, classes=7), tmp_path)
    done = benchmark("--model", model, "--dataset", "synthetic", "--queries", 64)
    assert done.status == 0, done.stderr
    assert done.result["backend"]["classes"] == 7
    assert not [line for line in done.result["warnings"] if "assumed" in line]


def test_other_profiles_say_where_any_number_of_classes_will_do(
    benchmark: Runner, tmp_path: Path
) -> None:
    model = save_onnx(Tiny(classes=37), tmp_path)
    refused = benchmark("--profile", "pytorch-openvino", "--model", model, "--dataset-path", ".")
    assert refused.error.endswith("--profile custom takes any number of classes.")


def test_labels_may_be_counted_from_another_number(benchmark: Runner, tmp_path: Path) -> None:
    tiny = Tiny(classes=900)
    model, folder = tiny.save(tmp_path), images(tmp_path, tiny, shift=3)
    done = accuracy(benchmark, model, folder, "--labels-offset", 3)
    assert done.result["accuracy"] == ALL_RIGHT
    with np.load(done.output / "answers.npz") as kept:
        assert np.array_equal(kept["scores"].argmax(axis=1), kept["classes"])


def test_what_is_prepared_by_a_card_needs_none(benchmark: Runner, tmp_path: Path) -> None:
    """Neither where it runs nor where its layers are explained."""
    tiny = Tiny(size=240, classes=900)
    model, folder = save_onnx(tiny, tmp_path), images(tmp_path, tiny, shift=3)
    (tmp_path / "tiny.card.toml").write_text(CARD + "labels_offset = 3\n")
    others = write_folder(
        tmp_path / "calibration", {f"{seed}.png": png(seed=seed) for seed in (1, 2)}
    )
    made = prepare_model(
        prepare_options(
            [
                *(str(model), "--precision", "int8", "--backend", "openvino"),
                *("--calibration-path", str(others), "--cache-dir", str(tmp_path / "cache")),
                *("--output", str(tmp_path / "made")),
            ]
        )
    )
    data = ("--dataset-path", folder, "--accuracy")
    done = benchmark("--model", made, *data)
    assert done.status == 0, done.stderr
    used = done.result["dataset"]["preprocessing"]
    assert (used["resize"], used["crop"]) == ([320, 320], [240, 240])
    assert used["source"] == f"{made}.json"
    assert done.result["accuracy"]["good"] > COUNT // 2
    assert not done.result["warnings"]
    explained = command(
        *("explain.py", f"{model}@openvino", str(made), *map(str, data), "--inferences", "2"),
        *("--cache-dir", tmp_path / "cache", "--output", tmp_path / "explained"),
    )
    assert explained.returncode == 0, explained.stderr
    found = json.loads((tmp_path / "explained" / "explain.json").read_text())["accuracy"]
    assert found["variants"][0]["baseline_good"] == COUNT
    assert found["variants"][0]["answered"]["good"] == done.result["accuracy"]["good"]


def test_the_offset_that_would_score_is_named(benchmark: Runner, tmp_path: Path) -> None:
    tiny = Tiny()
    model, folder = tiny.save(tmp_path), images(tmp_path, tiny, shift=1)
    done = accuracy(benchmark, model, folder)
    assert "Use --labels-offset 1," in done.result["warnings"][0]


def indices_onnx(tiny: Tiny, folder: Path, operator: str) -> Path:
    """The tiny classifier that answers the best class, or scores and indices of the best five."""
    path = save_onnx(tiny, folder)
    model = onnx.load(path)
    del model.graph.output[:]
    if operator == "ArgMax":
        node = helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0)
        outputs = [helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"])]
    else:
        model.graph.initializer.append(helper.make_tensor("k", TensorProto.INT64, [1], [5]))
        node = helper.make_node("TopK", ["scores", "k"], ["values", "label"])
        outputs = [
            helper.make_tensor_value_info(name, kind, ["batch", 5])
            for name, kind in (("values", TensorProto.FLOAT), ("label", TensorProto.INT64))
        ]
    model.graph.node.append(node)
    model.graph.output.extend(outputs)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(("backend", "operator"), [("openvino", "ArgMax"), ("onnxruntime", "TopK")])
def test_a_model_may_answer_the_best_class(
    benchmark: Runner, tmp_path: Path, backend: str, operator: str
) -> None:
    tiny = Tiny(batch=-1)
    model, folder = indices_onnx(tiny, tmp_path, operator), images(tmp_path, tiny)
    run: tuple[object, ...] = ("--backend", backend, "--scenario", "Offline")
    run = (*run, "--max-batchsize", 4)
    if operator == "TopK":
        refused = benchmark("--model", model, "--dataset-path", folder, *run)
        assert "several outputs: values [" in refused.error
        assert refused.error.endswith("Name one with --outputs.")
        run = (*run, "--outputs", "label")
    done = accuracy(benchmark, model, folder, *run)
    assert done.result["accuracy"] == ALL_RIGHT
    with np.load(done.output / "answers.npz") as kept:
        assert "scores" not in kept


class Several(nn.Module):
    """Features, the best class, and scores of the first classes, by name."""

    def __init__(self, tiny: Tiny) -> None:
        super().__init__()
        self.tiny = TinyModule(tiny)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        scores = self.tiny(images)
        return {"features": scores[:, :16], "best": scores.argmax(1), "first": scores[:, :900]}


def several(tiny: Tiny, folder: Path) -> Path:
    example = (torch.zeros(1, 3, tiny.size, tiny.size),)
    program = torch.export.export(Several(tiny).eval(), example)
    torch.export.save(program, folder / "tiny.pt2")
    return folder / "tiny.pt2"


def test_torch_models_with_several_outputs(benchmark: Runner, tmp_path: Path) -> None:
    tiny = Tiny(size=288)
    model, folder = several(tiny, tmp_path), images(tmp_path, tiny)
    refused = benchmark("--model", model, "--dataset-path", folder)
    assert (refused.status, refused.left_nothing) == (2, True)
    assert "features [1,16], best [1], first [1,900]. Name one with --outputs" in refused.error
    done = accuracy(benchmark, model, folder, "--outputs", "best")
    assert done.result["accuracy"] == ALL_RIGHT
    assert done.result["backend"]["output_name"] == "best"
    assert done.result["dataset"]["preprocessing"]["crop"] == [288, 288]


def test_two_inputs_are_refused_by_name(benchmark: Runner, tmp_path: Path) -> None:
    done = benchmark("--model", save_onnx(Tiny(extra_input=True), tmp_path), "--dataset-path", ".")
    assert done.status == 2
    assert "several inputs" in done.error
    assert "export it with the others as constants" in done.error


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--crop", 256), "takes images of 224×224, but the crop is 256×256"),
        (("--model-card", "none.toml"), "Cannot read the model card none.toml: No such file"),
        (("--resize", 256, "--crop-pct", 0.9), "use one or the other"),
        (("--dataset", "imagenet", "--resize", 256), "--resize does not apply to the data set"),
    ],
)
def test_what_contradicts_is_one_line(
    benchmark: Runner, tmp_path: Path, arguments: tuple[object, ...], reason: str
) -> None:
    model = Tiny().save(tmp_path)
    done = benchmark("--model", model, "--dataset-path", tmp_path, *arguments)
    assert (done.status, done.left_nothing) == (2, True)
    assert reason in done.error


def test_a_model_of_bytes_normalises_itself(benchmark: Runner, tmp_path: Path) -> None:
    import openvino as ov

    model = Tiny(element_type=ov.Type.u8, layout="NHWC").save(tmp_path)
    run = ("--model", model, "--dataset", "synthetic", "--queries", 64)
    assert "normalises them itself" in benchmark(*run, "--std", 0.5).error
    assert benchmark(*run).status == 0


MATRIX = """
rounds = 1
best = "none"
explain = true
[run]
model = "FOLDER/tiny.onnx"
dataset_path = "FOLDER/images"
cache_dir = "FOLDER/cache"
queries = 64
mean = [0.1, 0.5, 0.9]
std = [0.3, 0.2, 0.1]
resize = 256
interpolation = "bilinear"
[[variant]]
name = "OpenVINO"
[[variant]]
name = "ONNX Runtime"
backend = "onnxruntime"
"""


def test_a_comparison_needs_no_profile_either(tmp_path: Path) -> None:
    tiny = Tiny(size=256)
    save_onnx(tiny, tmp_path)
    images(tmp_path, tiny)
    matrix = tmp_path / "own.toml"
    matrix.write_text(MATRIX.replace("FOLDER", str(tmp_path)))
    done = run_compare(matrix, output=tmp_path / "compared")
    assert done.status == 0, done.stderr
    accuracies = [row.accuracy for row in comparison_of(done).rows]
    assert [accuracy and accuracy.good for accuracy in accuracies] == [COUNT, COUNT]
    assert comparison_of(done).explanation[-1] == "All layers: explain/explain.html."


@pytest.mark.parametrize("engine", ["triton", "ovms"])
def test_a_served_model_takes_its_card_along(engine: str, tmp_path: Path) -> None:
    model = Tiny(batch=-1, size=240).save(tmp_path)
    (tmp_path / "tiny.card.toml").write_text(CARD + "labels_offset = 2\n")
    done = run_serve(engine, model, output=tmp_path / "models")
    assert done.status == 0, done.stderr
    config = tmp_path / "models" / "tiny"
    told = (
        "".join(
            path.read_text(errors="replace")
            for path in (config / "config.pbtxt", config / "1" / "model.xml")
            if path.is_file()
        )
        .replace("&quot;", '"')
        .replace("\\", "")
    )
    assert '"crop": [240, 240]' in told
    assert '"label_offset": 2' in told
