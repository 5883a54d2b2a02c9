"""Training in INT8: what is trained computes as the quantized graph, and becomes one again."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.optimize.config import QuantizationConfig
from mlperf_benchmark.models.optimize.qat.fake_quantization import FakeQuantizer
from mlperf_benchmark.models.optimize.qat.student import Student
from mlperf_benchmark.models.optimize.quantizers.quantizer import Source, make_quantizer
from mlperf_benchmark.models.prepare.finetune_options import parse
from tests.models.small_nets import SIZE, Bottlenecks


def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((20, 3, SIZE, SIZE)).astype(np.float32)


def answers(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    scores: np.ndarray = session.run(None, {"input": images()})[0]
    return scores


def quantized(net: nn.Module, quantizer: str) -> onnx.ModelProto:
    source = Source(net, lambda module: export_onnx(module, SIZE), lambda model: model)
    config = QuantizationConfig(quantizer=quantizer)
    graph: onnx.ModelProto = make_quantizer(config, "mixed").quantize(source, images())
    return graph


def error(values: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(values - wanted).mean() / np.abs(wanted).mean())


@pytest.mark.parametrize("quantizer", ["nncf", "onnxruntime"])
def test_student_computes_as_the_quantized_graph_before_and_after_training(quantizer: str) -> None:
    torch.manual_seed(0)
    net = Bottlenecks().eval()
    begun = quantized(net, quantizer)
    untrained = answers(begun)
    student = Student(net, SIZE, export_onnx(net, SIZE), begun)
    batch = torch.from_numpy(images())
    with torch.no_grad():
        wanted = net(batch)
        first = student.module(batch)
    int8 = error(untrained, wanted.numpy())
    assert error(first.numpy(), untrained) < int8 / 2
    assert error(answers(student.graph()), untrained) < int8 / 2

    optimizer = torch.optim.Adam(student.module.parameters(), lr=1e-3)
    for _ in range(60):
        loss = (student.module(batch) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trained = answers(student.graph())
    assert error(trained, wanted.numpy()) < 0.7 * int8
    onnx.checker.check_model(student.graph())


def test_rounding_passes_gradients_and_clipping_does_not() -> None:
    quantizer = FakeQuantizer(torch.tensor(0.5), zero_point=0, low=-4, high=4)
    values = torch.tensor([0.6, -0.9, 5.0], requires_grad=True)
    rounded = quantizer(values)
    assert rounded.tolist() == [0.5, -1.0, 2.0]
    rounded.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [1, 1, 0]
    assert quantizer.scale.grad is not None
    assert quantizer.integers(values).tolist() == [1, -2, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--qat", "--prune=0.5"], "exclude each other"),
        (["--quantizer=onnxruntime", "--prune=0.5"], "--quantizer applies to --qat only"),
        (["--qat", "--quantizer=adaround"], "learns the rounding itself"),
        (["--qat", "--quantizer=ort"], 'Unknown quantizer "ort"'),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], message: str) -> None:
    given = ["resnet50", "--weights=random", "--train-path=x", "--output=y"]
    with pytest.raises(UsageError, match=message):
        parse([*given, *arguments])


def test_small_steps_are_the_default_of_training_in_int8() -> None:
    given = ["resnet50", "--weights=random", "--train-path=x", "--output=y", "--qat"]
    assert parse(given).training.learning_rate == 1e-5
    assert parse([*given, "--learning-rate=0.001"]).training.learning_rate == 1e-3
