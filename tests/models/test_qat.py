"""Training in INT8: what is trained computes as the quantized graph, and becomes one again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.optimize.config import QuantizationConfig, TrainingConfig
from mlperf_benchmark.models.optimize.qat.fake_quantization import FakeQuantizer
from mlperf_benchmark.models.optimize.qat.student import Student
from mlperf_benchmark.models.optimize.quantizers.quantizer import Source, make_quantizer
from mlperf_benchmark.models.prepare.fine_tuner import fine_tune
from mlperf_benchmark.models.prepare.finetune_options import FineTuningRun, parse
from mlperf_benchmark.models.prepare.options import parse as parse_recipe
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.sample import Sample
from tests.models.small_nets import SIZE, Bottlenecks, register_small


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

    def train(learning_rate: float) -> None:
        optimizer = torch.optim.Adam(student.module.parameters(), lr=learning_rate)
        for _ in range(60):
            loss = (student.module(batch) - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    train(1e-4)
    assert error(answers(student.graph()), wanted.numpy()) < 0.9 * int8
    # So fast that steps would come below 0, where graph and student part.
    train(1e-2)
    assert error(answers(student.graph()), student.module(batch).detach().numpy()) < int8
    onnx.checker.check_model(student.graph())


def test_layers_whose_weights_the_graph_transposes_are_refused() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(16, 5, bias=False)).eval()
    with pytest.raises(ModelError, match="without a bias"):
        Student(net, SIZE, export_onnx(net, SIZE), quantized(net, "nncf"))


def test_rounding_passes_gradients_and_clipping_does_not() -> None:
    quantizer = FakeQuantizer(torch.tensor(0.5), zero_point=0, low=-4, high=4)
    values = torch.tensor([0.6, -0.9, 5.0], requires_grad=True)
    rounded = quantizer(values)
    assert rounded.tolist() == [0.5, -1.0, 2.0]
    rounded.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [1, 1, 0]
    assert quantizer.change.grad is not None
    assert quantizer.integers(values).tolist() == [1, -2, 4]


@pytest.fixture
def run(sample: Sample, cache_dir: Path, tmp_path: Path) -> FineTuningRun:
    return FineTuningRun(
        register_small(),
        "random",
        None,
        TrainingConfig(epochs=2, batch_size=10, learning_rate=1e-3),
        sample.images,
        tmp_path / "qat.pth",
        quantization=QuantizationConfig(),
        cache_dir=cache_dir,
    )


def test_checkpoint_becomes_int8_files_for_every_backend(
    run: FineTuningRun, tmp_path: Path
) -> None:
    lines: list[str] = []
    fine_tune(run, lines.append)
    assert lines[1].startswith("Quantized, 0 epochs: top-1")

    def prepare(*options: str) -> Path:
        arguments = [run.model, f"--weights={run.output}", f"--output={tmp_path}", *options]
        return prepare_model(parse_recipe(arguments))

    model = prepare("--precision=int8", "--backend=onnxruntime")
    description = read_description(model)
    assert description is not None
    assert description.quantization is not None
    assert description.quantization.method.startswith("quantization-aware training, begun with")
    assert description.fine_tuning is not None
    assert description.fine_tuning.epochs == 2
    layers = [node for node in onnx.load(model).graph.node if node.op_type == "Conv"]
    assert all("dq" in node.input[1] for node in layers)
    assert prepare("--precision=int8").suffix == ".xml"

    for options, message in (
        ((), "give --precision int8"),
        (("--precision=int8", "--quantizer=onnxruntime"), "leave them out"),
        (("--precision=int8", "--prune=0.5"), "prune its weights before"),
    ):
        with pytest.raises(UsageError, match=message):
            prepare(*options)
    with pytest.raises(UsageError, match="trained in INT8 already"):
        fine_tune(replace(run, weights=str(run.output), output=tmp_path / "again.pth"), print)


def test_interrupted_training_goes_on_to_the_same_weights(
    run: FineTuningRun, tmp_path: Path
) -> None:
    fine_tune(run, lambda line: None)
    stopped = replace(run, output=tmp_path / "stopped.pth")

    def stop(line: str) -> None:
        if line.startswith("Epoch 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(stopped, stop)
    whole, half = (torch.load(one.output, weights_only=True) for one in (run, stopped))
    assert not torch.equal(whole["graph"], half["graph"])
    with pytest.raises(UsageError, match="though they have the same name"):
        changed = half | {"state_dict": {**half["state_dict"], "fc.bias": torch.ones(1000)}}
        torch.save(changed, tmp_path / "changed.pth")
        fine_tune(replace(stopped, output=tmp_path / "changed.pth", resume=True), print)
    fine_tune(replace(stopped, resume=True), lambda line: None)
    assert torch.equal(torch.load(stopped.output, weights_only=True)["graph"], whole["graph"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--qat", "--prune=0.5"], "exclude each other"),
        (["--quantizer=onnxruntime", "--prune=0.5"], "--quantizer applies to --qat only"),
        (["--qat", "--quantizer=adaround"], "learns the rounding itself"),
        (["--qat", "--quantizer=weights-only"], "the inputs of layers in INT8"),
        (["--qat", "--equalize"], "--equalize"),
        (["--qat", "--max-drop=0.01"], "--max-drop"),
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
