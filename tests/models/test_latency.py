"""Pruning to a latency: what is measured, kept, reached and said."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from mlperf_benchmark.compare.recipes import making_of
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.files.description import Pruning, read_description
from mlperf_benchmark.models.optimize.config import PruningConfig
from mlperf_benchmark.models.optimize.pruning import search
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph
from mlperf_benchmark.models.optimize.pruning.cost import Find
from mlperf_benchmark.models.optimize.pruning.criteria.norms import GroupL2
from mlperf_benchmark.models.optimize.pruning.pruner import prune
from mlperf_benchmark.models.prepare.latency import bench, latency_budget
from mlperf_benchmark.models.prepare.latency.bench import median_interval
from mlperf_benchmark.models.prepare.latency.latency_budget import model_identity
from mlperf_benchmark.models.prepare.latency.latency_cost import LatencyCost
from mlperf_benchmark.models.prepare.latency.layer_shapes import LayerShape, layer_shapes
from mlperf_benchmark.models.prepare.latency.layer_times import LayerTimes, Measure, Setting
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from tests.models.small_nets import SIZE, batches, register_small, small

SETTING = Setting("a CPU", "a backend", "1", 2, "f32", "a model", "")
PER_CHANNEL = 0.001


def pretend(probes: Mapping[str, onnx.ModelProto], slow: int = 0) -> dict[str, float]:
    """Times in proportion to a layer's outputs, but for the count `slow`, which runs badly."""
    times = {}
    for name in probes:
        outputs = 0 if name.isdigit() else int(name.partition("-> ")[2].partition(",")[0])
        times[name] = 0.1 + PER_CHANNEL * (100 if outputs == slow > 0 else outputs)
    return times


class Counting:
    def __init__(self) -> None:
        self.measured: list[str] = []

    def __call__(self, probes: Mapping[str, onnx.ModelProto]) -> dict[str, float]:
        self.measured += probes
        return pretend(probes)


def cost_of(
    graph: ChannelGraph, net: nn.Module, folder: Path, measure: Measure = pretend
) -> LatencyCost:
    times = LayerTimes(SETTING, folder, measure)
    return LatencyCost(graph, layer_shapes(net, SIZE), times, round_to=8)


def test_layers_are_measured_once_and_kept(tmp_path: Path) -> None:
    net = small(32)
    graph = ChannelGraph(net, SIZE, GroupL2(0))
    whole = [group.width for group in graph.groups]
    place = whole.index(32)
    first = Counting()
    cost = cost_of(graph, net, tmp_path, first)
    half = cost([*whole[:place], 16, *whole[place + 1 :]])
    assert cost(whole) == 1
    assert half < 1

    again = Counting()
    assert cost_of(graph, net, tmp_path, again)([*whole[:place], 16, *whole[place + 1 :]]) == half
    assert again.measured == []
    (file,) = (tmp_path / "latency").iterdir()
    assert json.loads(file.read_text())["setting"]["cpu"] == "a CPU"

    file.write_text("{")
    cost_of(graph, net, tmp_path, again)([*whole[:place], 16, *whole[place + 1 :]])
    assert again.measured == first.measured


def test_times_of_another_model_of_the_same_name_are_not_taken() -> None:
    identities = {
        model_identity("build", layer_shapes(net, size))
        for net, size in ((small(8), SIZE), (small(8), SIZE), (small(10), SIZE), (small(8), 32))
    }
    assert len(identities) == 3


def test_channel_counts_that_run_badly_are_avoided(tmp_path: Path) -> None:
    def width(part: float, slow: int, folder: Path) -> int:
        net = small(32)

        def choose(graph: ChannelGraph, find: Find) -> list[int]:
            return find(cost_of(graph, net, folder, partial(pretend, slow=slow)), part)

        prune(net, SIZE, PruningConfig(part, "l1", round_to=8), 0, batches(), budget=choose)
        return net.depthwise.out_channels

    # Two layers make or filter the channels.
    assert width(2 * 8 * PER_CHANNEL, 0, tmp_path / "even") == 24
    assert width(2 * 16 * PER_CHANNEL, 24, tmp_path / "slow") == 16
    with pytest.raises(UsageError, match="the nearest"):
        width(2 * 8 * PER_CHANNEL, 24, tmp_path / "slow")


def test_shapes_are_those_that_the_layers_compute_with(lite0: nn.Module) -> None:
    shapes = list(layer_shapes(lite0, 224).values())
    assert str(shapes[0]) == (
        "convolution 3x225x225 -> 32, kernel 3x3, stride 2x2, padding 0x0, dilation 1x1"
    )
    assert shapes[1].depthwise
    assert shapes[-1] == LayerShape(1280, 1000)


def test_interval_holds_the_median_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    held = 0
    for _ in range(2000):
        low, high = median_interval(torch.randn(25, generator=generator).tolist())
        held += low <= 0 <= high
    assert 0.95 <= held / 2000 <= 0.975
    assert median_interval([3.0, 1.0]) == (1.0, 3.0)


def prune_small(output: Path, *options: str) -> Pruning:
    arguments = [register_small(), "--weights=random", "--prune-for=latency=0.9", "--round-to=2"]
    cache = f"--cache-dir={output.parent / 'cache'}"
    model = prepare_model(parse([*arguments, f"--output={output}", cache, *options]))
    description = read_description(model)
    assert description is not None
    assert description.pruning is not None
    return description.pruning


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_description_says_what_was_reached_and_where(
    backend: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Few measurements, whose noise a net as small as this one has to bear: no time is asserted.
    monkeypatch.setattr(search, "TOLERANCE", 1)
    monkeypatch.setattr(latency_budget, "TRIES", 2)
    monkeypatch.setattr(bench, "ROUNDS", 7)
    monkeypatch.setattr(bench, "TURN_SECONDS", 0.01)
    monkeypatch.setattr(bench, "SAMPLES", 3)
    pruning = prune_small(tmp_path / "models", f"--backend={backend}", "--threads=1")
    latency = pruning.latency
    assert latency is not None
    assert (latency.budget, latency.backend, latency.threads) == (0.9, backend, 1)
    assert latency.precision == "f32"
    assert latency.low <= latency.reached <= latency.high
    assert min(latency.ms, latency.unpruned_ms) > 0
    (file,) = [one for one in (tmp_path / "models").iterdir() if one.suffix == ".json"]
    assert file.name.startswith("small_latency90_fp32.")
    assert f"Latency in {backend}, 1 threads" in capsys.readouterr().err


def test_recipe_of_a_matrix_takes_a_budget(tmp_path: Path) -> None:
    options = {"model": "resnet50", "weights": "random", "prune_for": "latency=0.3", "threads": 2}
    recipe = making_of(options, tmp_path).recipe
    assert recipe.pruning is not None
    assert (recipe.pruning.budget, recipe.pruning.left, recipe.threads) == ("latency", 0.3, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prune-for=latency=1.5"], "out of range"),
        (["--prune-for=latency=1"], "out of range"),
        (["--prune-for=latency=0"], "is not a number above 0"),
        (["--prune-for=latency=50%"], "is not a number above 0"),
        (["--prune-for=latency"], "not a budget like latency=0.5"),
        (["--prune-for=0.5"], "not a budget like latency=0.5"),
        (["--prune-for=macs=0.5"], "not a budget like latency=0.5"),
        (["--prune-for=latency=0.5", "--prune=0.5"], "exclude each other"),
        (["--prune-for=latency=0.5", "--backend=torch"], "does not apply to --backend torch"),
        (["--threads=2"], "--threads applies to --backend tvm"),
        (["--prune-for=latency=0.5", "--tune=5"], "--tune applies to --backend tvm"),
    ],
)
def test_bad_budget_gets_one_line(options: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(["resnet50", "--weights=random", *options])
