"""`prepare.py FILE.onnx`: models that others made, in the forms that their tools write."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from backend_tvm import TVMBackend
from mlperf_benchmark.core.errors import BenchmarkError, ModelError, OutputError, UsageError
from mlperf_benchmark.core.preprocessing import ModelCard
from mlperf_benchmark.images.transforms import PYTORCH
from mlperf_benchmark.models.files.calibration_list import read_calibration_list
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.own_model.settling import own_model
from tests.models.small_nets import OWN, register_small
from tests.models.test_prepare import command
from tests.synthetic_images import png, write_folder
from tests.test_backends import configuration
from tests.tvm_compiler.graphs import Model, normalised, random_images

SIDE = 224
CLASSES = 1000
NET = "tests.models.small_nets:Bottlenecks"


@dataclasses.dataclass(frozen=True)
class Form:
    """How a tool writes the same net."""

    layout: str = "NCHW"
    takes_pixels: bool = False
    has_open_size: bool = False
    batch: int | str = "batch"
    opset: int = 13
    weights_are_inputs: bool = False
    has_other_output: bool = False
    classes: int = CLASSES

    def build(self) -> onnx.ModelProto:
        net = Model(SIDE, SIDE)
        if self.layout == "NHWC":
            net.add("Transpose", perm=[0, 3, 1, 2])
        if self.takes_pixels:
            net.add("Cast", to=TensorProto.FLOAT)
            net.add("Sub", net.constant(np.reshape(PYTORCH.image.mean, (1, 3, 1, 1))))
            net.add("Div", net.constant(np.reshape(PYTORCH.image.std, (1, 3, 1, 1))))
        net.conv(16, 3, stride=4)
        statistics = ([2.0] * 16, [0.5] * 16, [0.1] * 16, [1.5] * 16)
        net.add("BatchNormalization", *map(net.constant, statistics)).relu()
        net.depthwise(3, stride=4).relu().conv(32).relu().classifier(self.classes)
        model = net.onnx()
        graph = model.graph
        if self.has_other_output:
            other = helper.make_tensor_value_info("t2", TensorProto.FLOAT, None)
            graph.output.insert(0, other)
        size: Any = "side" if self.has_open_size else SIDE
        sizes = {"N": self.batch, "C": 3, "H": size, "W": size}
        kind = TensorProto.UINT8 if self.takes_pixels else TensorProto.FLOAT
        shape = [sizes[axis] for axis in self.layout]
        graph.input[0].CopyFrom(helper.make_tensor_value_info("input", kind, shape))
        del graph.value_info[:]
        model.opset_import[0].version = self.opset
        if self.weights_are_inputs:
            model.ir_version = 3
            graph.input.extend(
                helper.make_tensor_value_info(one.name, one.data_type, one.dims)
                for one in graph.initializer
            )
        return model

    def save(self, folder: Path) -> str:
        onnx.save(self.build(), folder / "theirs.onnx")
        return str(folder / "theirs.onnx")

    def fed(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        values: NDArray[Any] = normalised(images, PYTORCH.image)
        if self.takes_pixels:
            values = images.transpose(0, 3, 1, 2)
        return values if self.layout == "NCHW" else values.transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    return random_images(4, SIDE, SIDE)


@pytest.fixture(scope="module")
def expected(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return answers(Form().build(), Form().fed(pictures))


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = {f"{seed}.png": png(240, 230, seed) for seed in range(6)}
    return write_folder(tmp_path_factory.mktemp("images") / "calibration", images)


def answers(model: onnx.ModelProto, fed: NDArray[Any]) -> NDArray[np.float32]:
    session = ort.InferenceSession(model.SerializeToString())
    [scores] = session.run(None, {"input": fed})
    return np.asarray(scores)


def prepare(folder: Path, model: str, *options: object) -> Path:
    words = (model, "--output", folder / "made", "--cache-dir", folder / "cache", *options)
    return prepare_model(parse([str(word) for word in words]))


def int8(calibration: Path, profile: str = "pytorch-onnxruntime") -> tuple[object, ...]:
    return ("--precision", "int8", "--profile", profile, "--calibration-path", calibration)


def assert_near(scores: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """The ranges are of other images."""
    assert 0 < np.abs(scores - expected).max() < 0.2 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("form", "quantizer"),
    [
        (Form(opset=9, weights_are_inputs=True), "nncf"),
        (Form(layout="NHWC", takes_pixels=True), "nncf"),
        (Form(has_open_size=True, batch=1), "onnxruntime"),
    ],
)
def test_int8_of_many_forms(
    tmp_path: Path,
    calibration: Path,
    pictures: NDArray[np.uint8],
    expected: NDArray[np.float32],
    *,
    form: Form,
    quantizer: str,
) -> None:
    options = (*int8(calibration), "--quantizer", quantizer)
    made = prepare(tmp_path, form.save(tmp_path), *options)
    assert made.name == "theirs_int8.onnx"
    model = onnx.load(made)
    operators = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in operators
    fed = form.fed(pictures)
    scores = [answers(model, fed[place : place + 1]) for place in range(len(fed))]
    assert_near(np.concatenate(scores), expected)
    description = read_description(made)
    assert description is not None
    assert (description.architecture, description.dataset) == ("theirs", "imagenet_pytorch")
    assert description.quantization is not None
    assert description.quantization.quantizer == quantizer
    macs = 56 * 56 * 16 * 27 + 14 * 14 * (16 * 9 + 16 * 32) + 32 * CLASSES
    assert description.size.gmacs == pytest.approx(macs / 1e9)


def test_openvino_and_tvm_compute_what_the_file_does(
    tmp_path: Path, calibration: Path, pictures: NDArray[np.uint8], expected: NDArray[np.float32]
) -> None:
    file = Form(has_other_output=True).save(tmp_path)
    made = prepare(tmp_path, file, "--outputs", "t9")
    scores = ov.compile_model(made, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
        Form().fed(pictures)
    )
    assert np.abs(scores[0] - expected).max() < 1e-4 * np.abs(expected).max()
    assert len(scores) == 1

    options = ("--outputs", "t9", "--batches", "1", *int8(calibration, "pytorch-tvm"))
    compiled = prepare(tmp_path, file, *options, "--keep-fp32", "Gemm_9")
    assert compiled.name == "theirs_int8.tvm"
    backend = TVMBackend(configuration(compiled, image=PYTORCH.image))
    backend.load()
    assert_near(np.concatenate([backend.predict(one[None]) for one in pictures]), expected)


@pytest.mark.parametrize(
    ("form", "profile", "quantizer"),
    [
        (Form(classes=1001), "pytorch-openvino", "nncf"),
        (
            Form(layout="NHWC", takes_pixels=True, batch=1, classes=1001),
            "pytorch-onnxruntime",
            "onnxruntime",
        ),
    ],
)
def test_layers_go_back_to_floating_point_by_labelled_images(
    tmp_path: Path, calibration: Path, *, form: Form, profile: str, quantizer: str
) -> None:
    """The right class is what FP32 answers, and with 1001 classes one place further."""
    images = {f"{seed}.png": png(240, 230, seed + 50) for seed in range(3)}
    labelled = write_folder(tmp_path / "labelled", images)
    options = (*int8(calibration, profile), "--quantizer", quantizer, "--max-drop", "0.5")
    made = prepare(tmp_path, form.save(tmp_path), *options, "--validation-path", labelled)
    description = read_description(made)
    assert description is not None
    assert description.quantization is not None
    control = description.quantization.accuracy_control
    assert control is not None
    assert control.fp32_right >= control.int8_right >= 0


def refusal(folder: Path, model: str, *options: object) -> str:
    with pytest.raises(BenchmarkError) as caught:
        prepare(folder, model, *options)
    assert not (folder / "made").exists() or not any((folder / "made").iterdir())
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path, calibration: Path) -> None:
    file = Form().save(tmp_path)
    whole = int8(calibration)
    for words, reason in (
        (("--weights", "random"), "has its own"),
        (("--prune", 0.2), "an ONNX file has none"),
        (("--backend", "torch"), "does not run ONNX files"),
        ((*whole, "--quantizer", "adaround"), "an ONNX file has none"),
        ((*whole, "--resize", 240), "--resize does not apply to --profile pytorch-onnxruntime"),
        (("--precision", "int8", "--profile", "pytorch-openvino"), "--calibration-path"),
        ((*whole, "--keep-fp32", "Gemm"), 'Did you mean "Gemm_'),
        ((*whole, "--outputs", "none"), 'no output "none"'),
        ((*whole, "--equalize"), "an ONNX file has none"),
        (("--profile", "efficientnet-lite1-openvino"), "240×240"),
    ):
        assert reason in refusal(tmp_path, file, *words)
    assert "Give --weights for resnet18" in refusal(tmp_path, "resnet18")
    for word, value in (("--profile", "pytorch-tvm"), ("--mean", "0.5"), ("--labels-offset", 1)):
        assert f"{word} does not apply to resnet18" in refusal(
            tmp_path, "resnet18", "--weights", "random", word, value
        )
    assert "not an ONNX file" in refusal(
        tmp_path, str(tmp_path / "model.xml"), "--weights", "random"
    )
    assert "no model file" in refusal(tmp_path, str(tmp_path / "none.onnx"))


def test_graphs_that_cannot_be_quantized_are_named(tmp_path: Path, calibration: Path) -> None:
    whole = int8(calibration)
    open_size = Form(has_open_size=True).save(tmp_path)
    assert "--crop" in refusal(tmp_path, open_size)
    assert "4 images at a time" in refusal(tmp_path, Form(batch=4).save(tmp_path), *whole)
    two = Form(has_other_output=True, classes=12).save(tmp_path)
    assert "Name one with --outputs" in refusal(tmp_path, two)
    (tmp_path / "theirs.onnx").write_bytes(b"nonsense")
    assert "is not an ONNX model" in refusal(tmp_path, two)
    half = Form().build()
    for tensor in half.graph.initializer:
        values = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    half.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    half.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(half, tmp_path / "theirs.onnx")
    assert "float32" in refusal(tmp_path, two, *whole)
    spoilt = Form().build()
    weights = spoilt.graph.initializer[0]
    nan = np.full(weights.dims, np.nan, np.float32)
    weights.CopyFrom(numpy_helper.from_array(nan, weights.name))
    onnx.save(spoilt, tmp_path / "theirs.onnx")
    assert "hold NaN values" in refusal(tmp_path, two)
    unknown = Form().build()
    unknown.graph.node[0].domain = "acme"
    unknown.opset_import.append(helper.make_opsetid("acme", 1))
    onnx.save(unknown, tmp_path / "theirs.onnx")
    assert "acme:Conv(-1) is not a registered" in refusal(tmp_path, two, *whole)
    onnx.save(Form().build(), tmp_path / "theirs.onnx")
    made = prepare(tmp_path, two, *whole)
    with pytest.raises(ModelError, match="is quantized already"):
        prepare(tmp_path, str(made), *whole, "--overwrite")
    with pytest.raises(OutputError, match="is a file of the model itself"):
        prepare(tmp_path, str(made), "--format", "onnx", "--name", made.name, "--overwrite")


def test_an_architecture_of_ones_own(tmp_path: Path, calibration: Path) -> None:
    """Code in the current folder, named as such; its weights are read without executing any."""
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "def tiny():\n"
        "    return nn.Sequential(nn.Conv2d(3, 32, 3, 8), nn.BatchNorm2d(32), nn.ReLU(),\n"
        "        nn.Conv2d(32, 32, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "        nn.Linear(32, 1000))\n"
        "def broken():\n"
        "    return nn.Linear(3, 4)\n"
    )
    own = ("--architecture", "my_nets:tiny", "--weights", "random")
    done = command(
        "-c",
        f"import os, runpy, sys; sys.path.insert(0, {str(Path.cwd())!r}); "
        f"os.chdir({str(tmp_path)!r}); from prepare import command; command()",
        *own,
        *("--prune", "0.3", "--prune-channels", "all", "--round-to", "1", "--output", "made"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "made/tiny_pruned30_fp32.xml\n"
    description = read_description(tmp_path / "made" / "tiny_pruned30_fp32.xml")
    assert description is not None
    assert description.pruning is not None
    assert description.dataset == "imagenet_pytorch"


def test_the_preprocessing_of_an_architecture_is_told(tmp_path: Path) -> None:
    card = tmp_path / "net.card.toml"
    card.write_text("crop = 160\ncrop_pct = 0.9\nmean = 0.5\nstd = 0.5\nlabels_offset = 2\n")
    own = ["--architecture", "tests.models.small_nets:Small", "--weights", "random"]
    words = [*own, "--model-card", str(card), "--output", str(tmp_path / "made")]
    description = read_description(prepare_model(parse(words)))
    assert description is not None
    assert (description.dataset, description.input_size) == ("custom", 160)
    assert description.card == ModelCard(
        crop=(160, 160), crop_pct=0.9, mean=(0.5,) * 3, std=(0.5,) * 3, labels_offset=2
    )
    whole = ["--architecture", "tests.models.small_nets:OWN", "--weights", "random"]
    described = read_description(prepare_model(parse([*whole, "--output", str(tmp_path / "made")])))
    assert described is not None
    assert described.card is not None
    read = own_model(None, described.card, None).preprocessing
    assert OWN.preprocessing is not None
    assert read == dataclasses.replace(OWN.preprocessing, source="the command line")
    with pytest.raises(UsageError, match="square images, and these are 100×200"):
        prepare_model(parse([*own, "--crop", "100,200", "--output", str(tmp_path / "made")]))


def test_what_was_known_of_a_file_stays_known(tmp_path: Path, calibration: Path) -> None:
    """Random weights, calibration images and INT8, through every file that is made of it."""
    words = ("--weights", "random", "--crop", 64, "--backend", "onnxruntime", "--name", "net")
    made = prepare(tmp_path, f"--architecture={NET}", *words)
    options = ("--precision", "int8", "--calibration-path", calibration, "--quantizer")
    int8 = prepare(tmp_path, str(made), *options, "onnxruntime", "--backend", "onnxruntime")
    ir = prepare(tmp_path, str(int8), "--name", "ir")
    for file in (int8, ir):
        description = read_description(file)
        assert description is not None
        assert description.has_random_weights
        assert (description.precision, description.dataset) == ("int8", "custom")
        assert len(read_calibration_list(file)) == 6
    plain = prepare(tmp_path, str(made), "--name", "ir", "--overwrite")
    assert read_calibration_list(plain) == ()
    small = register_small()
    state = prepare(tmp_path, small, "--weights", "random", "--backend", "torch")
    description = read_description(prepare(tmp_path, small, "--weights", state))
    assert description is not None
    assert description.has_random_weights


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ("tests.models.small_nets", "module:function"),
        ("tests.models.no_such:tiny", "cannot be imported"),
        ("nets_that_want_too_much:tiny", "cannot be imported: ImportError: cannot import name"),
        ("tests.models.small_nets:tiny", "has no tiny"),
        ("tests.models.small_nets:SIZE", "not a function"),
        ("tests.models.small_nets:batches", "list instead of a torch module"),
        ("tests.models.small_nets:Small", ""),
    ],
)
def test_architectures_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, reason: str
) -> None:
    (tmp_path / "nets_that_want_too_much.py").write_text("from sys import no_such_thing")
    monkeypatch.syspath_prepend(tmp_path)
    words = ["--architecture", own, "--weights", "random", "--output", str(tmp_path / "made")]
    if not reason:
        words += ["--backend", "torch", "--format", "pt"]
        reason = "pt files made of --architecture; --format may be pt2"
    with pytest.raises(UsageError, match=reason):
        prepare_model(parse(words))


def test_a_module_that_is_called_as_one_of_ours_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dataset.py").write_text("CLASSES = 3")
    (tmp_path / "nets_of_mine.py").write_text("from dataset import CLASSES")
    monkeypatch.chdir(tmp_path)
    words = ["--architecture", "nets_of_mine:tiny", "--weights", "random", "--output", "made"]
    with pytest.raises(UsageError, match="has a module dataset, too: give yours another name"):
        prepare_model(parse(words))


def test_a_model_and_an_architecture_exclude_each_other() -> None:
    for words in (["--weights=random"], ["resnet18", "--architecture=a:b", "--weights=random"]):
        with pytest.raises(UsageError, match="either a model or --architecture"):
            parse(words)
