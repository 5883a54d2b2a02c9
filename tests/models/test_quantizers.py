"""The algorithms of quantization, on a small net."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mlperf_benchmark.core.errors import ModelError, UnknownNameError, UsageError
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.files.openvino_ir import OpenVINOIr
from mlperf_benchmark.models.optimize.config import QUANTIZERS, QuantizationConfig
from mlperf_benchmark.models.optimize.quantizers.quantizer import Source, make_quantizer
from mlperf_benchmark.models.optimize.quantizers.rounding import learn_rounding
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.onnxruntime_model.executed import read_executed

SIDE = 16
NAMES = ("adaround", "nncf", "onnxruntime")


class Small(nn.Module):
    """One layer of each kind."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.full = nn.Conv2d(3, 8, 3, 2, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.classifier = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.depthwise(torch.relu(self.full(x))))
        scores: Tensor = self.classifier(x.mean((2, 3)))
        return scores


def noise(count: int, seed: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    strength = generator.uniform(0.5, 2, (count, 3, 1, 1))
    return (strength * generator.standard_normal((count, 3, SIDE, SIDE))).astype(np.float32)


def quantized(
    config: QuantizationConfig, convert: Callable[[onnx.ModelProto], Any], module: nn.Module
) -> Any:
    source = Source(module.eval(), lambda module: export_onnx(module, SIDE), convert)
    return make_quantizer(config, "mixed").quantize(source, noise(20, 1))


def test_onnx_runtime_finds_nothing_that_is_not_read(capfd: pytest.CaptureFixture[str]) -> None:
    """It would warn about the widths of paddings that convolutions have taken over."""
    padded = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), Small())
    quantized(QuantizationConfig(quantizer="nncf"), lambda model: model, padded)
    assert capfd.readouterr().err == ""


def floating_point(model: onnx.ModelProto) -> set[str]:
    """Layers whose weights do not come out of a dequantization."""
    producers = {name: node.op_type for node in model.graph.node for name in node.output}
    return {
        node.name
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm") and producers.get(node.input[1]) != "DequantizeLinear"
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_quantizer_answers_nearly_as_before(name: str) -> None:
    images = noise(50, 2)
    with torch.no_grad():
        expected = Small().eval()(torch.from_numpy(images)).numpy()
    config = QuantizationConfig(quantizer=name)
    graph = quantized(config, OpenVINOIr().convert, Small())
    answers = ov.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images)[0]
    model = quantized(config, lambda model: model, Small())
    assert floating_point(model) == set()
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for scores in (answers, session.run(None, {"input": images})[0]):
        assert np.abs(scores - expected).max() < 0.1 * np.abs(expected).max()
        assert np.abs(scores - expected).max() > 0


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU6()])
@pytest.mark.parametrize("name", ["nncf", "onnxruntime"])
def test_outputs_get_the_range_that_their_activation_leaves(
    name: str, activation: nn.Module
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 8, 3)
    with torch.no_grad():
        layer.weight.mul_(20)
        # Far below 0, where both activations cut off.
        layer.bias = nn.Parameter(torch.full((8,), -60.0))
        largest = activation(layer(torch.from_numpy(noise(20, 1)))).max().item()
    module = nn.Sequential(layer, activation, nn.Conv2d(8, 8, 1))
    model = quantized(QuantizationConfig(quantizer=name), lambda model: model, module)
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    steps = [
        constants[node.input[1]].item()
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] != "input"
    ]
    assert steps
    assert max(steps) < 1.01 * largest / 255


class Bottleneck(nn.Module):
    """Values with and without a sign, one of them read twice, and a classifier after a flatten."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.expand = nn.Conv2d(8, 16, 1)
        self.project = nn.Conv2d(16, 8, 1)
        self.head = nn.Conv2d(8, 16, 1)
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.project(functional.relu6(self.expand(x)))
        x = functional.adaptive_avg_pool2d(functional.relu6(self.head(x)), 1)
        scores: Tensor = self.classifier(x.flatten(1))
        return scores


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_computes_every_layer_in_integers(name: str, tmp_path: Path) -> None:
    model = quantized(QuantizationConfig(quantizer=name), lambda model: model, Bottleneck())
    read = {name for node in model.graph.node for name in node.input}
    assert {constant.name for constant in model.graph.initializer} <= read
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    assert read_executed(tmp_path / "optimized.onnx").precision == "int8"
    images = noise(50, 2)
    with torch.no_grad():
        expected = Bottleneck()(torch.from_numpy(images)).numpy()
    (answers,) = session.run(None, {"input": images})
    assert np.abs(answers - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("name", NAMES)
def test_layers_are_kept_in_floating_point(name: str) -> None:
    config = QuantizationConfig(quantizer=name, keep_fp32=("/depthwise/Conv",))
    module = Small()
    model = quantized(config, lambda model: model, module)
    assert floating_point(model) == {"/depthwise/Conv"}
    assert torch.equal(module.depthwise.weight, Small().depthwise.weight)
    misspelt = QuantizationConfig(quantizer=name, keep_fp32=("/deptwise/Conv",))
    with pytest.raises(UnknownNameError, match='Did you mean "/depthwise/Conv"'):
        quantized(misspelt, lambda model: model, Small())


class Mirrored(nn.Module):
    """Borders that are no zeros, of a size that follows from the kernel."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, padding="same", padding_mode="reflect")
        self.second = nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular")
        self.is_shared = False

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        if self.is_shared:
            x = self.second(x)
        return x.mean((2, 3))


def test_rounding_is_learned_with_any_padding_and_layers_called_once() -> None:
    config = QuantizationConfig(quantizer="adaround")
    model = quantized(config, lambda graph: graph, Mirrored())
    assert floating_point(model) == set()
    shared = Mirrored()
    shared.is_shared = True
    with pytest.raises(ModelError, match=r"calls 2 convolutions .* its graph has 3"):
        quantized(config, lambda graph: graph, shared)


def test_learned_rounding_keeps_sums_that_nearest_loses() -> None:
    """Two inputs that are always equal: only the sum of their weights counts, 0.45 + 0.35."""
    step = 0.5
    weight = step * torch.tensor([[63.0, 0.45, 0.35], [-63.0, 0.1, 0.2]])
    first, shared = torch.randn(2, 1, 500, 1, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([first, shared, shared], dim=2)
    learned = learn_rounding(weight, rows, 63, seed=0) / step
    assert learned[0, 0] == 63
    assert sorted(learned[0, 1:].tolist()) == [0, 1]
    assert learned[1].tolist() == [-63, 0, 0]
    again = learn_rounding(weight, rows, 63, seed=0) / step
    assert torch.equal(again, learned)


@pytest.mark.parametrize("fix", ["all", "none"])
def test_weights_stay_as_their_rounding_was_learned(fix: str) -> None:
    """NNCF finds the very grid that they are on."""
    module = Small()
    config = QuantizationConfig(quantizer="adaround", overflow_fix=fix, bias_correction=False)
    model = quantized(config, lambda model: model, module)
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    layers = {node.name: node for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    producers = {name: node for node in model.graph.node for name in node.output}
    for name, layer in (("/full/Conv", module.full), ("/depthwise/Conv", module.depthwise)):
        node = producers[layers[name].input[1]]
        scale = constants[node.input[1]].reshape(-1, 1, 1, 1)
        source = producers.get(node.input[0])
        stored = constants[source.input[0] if source else node.input[0]]
        whole = stored / scale if source else stored.astype(np.float32)
        wanted = layer.weight.detach().numpy() / scale
        # Of 7 bits, the largest of a channel lies between two.
        inside = np.abs(wanted) < 63.4 if fix == "all" else np.abs(wanted) < 200
        assert np.abs(wanted - np.round(wanted))[inside].max() < 1e-3
        assert np.array_equal(np.round(whole)[inside], np.round(wanted)[inside])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quantizer", "ort"], 'Unknown quantizer "ort"'),
        (["--range-estimator", "entropy"], "range estimator of --quantizer nncf"),
        (["--quantizer", "onnxruntime", "--no-bias-correction"], "--no-bias-correction does not"),
        (["--quantizer", "onnxruntime", "--overflow-fix", "first-layer"], "overflow fix of"),
        (
            ["--quantizer", "weights-only", "--max-drop", "0.1", "--validation-path", "x"],
            "--max-drop does not apply to --quantizer weights-only",
        ),
        (["--no-bias-correction", "--full-bias-correction"], "exclude each other"),
    ],
)
def test_settings_that_a_quantizer_has_not_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipe = parse(["resnet50", "--weights", "random", "--precision", "int8", *arguments])
        assert recipe.quantization is not None
        make_quantizer(recipe.quantization, "mixed")


def test_each_quantizer_is_explained_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--list-quantizers"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(QUANTIZERS.names())
    assert all("https://" in line for line in lines)
