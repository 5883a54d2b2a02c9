"""Runs on served nodes: each query to one node, each answer to LoadGen as it came."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.text import printable
from mlperf_benchmark.images.synthetic import Synthetic
from tests.conftest import Runner
from tests.network.double import label_of
from tests.network.nodes import PROFILE, cluster, endpoints, started
from tests.network.runs import ACCURACY, COUNT, answers, expected


def test_each_sample_is_answered_by_one_node(
    benchmark: Runner, tmp_path: Path, images: Images
) -> None:
    runtime = {"executed_precision": "f32", "threads": 3, "streams": 1}
    told = ("--runtime", json.dumps(runtime), "--delay", "0.005")
    with cluster(tmp_path, ("--name", "one", *told), ("--name", "two", *told)) as nodes:
        done = benchmark(*ACCURACY, *endpoints(nodes))
    assert done.status == 0, done.stderr
    assert answers(done) == expected(images)
    # LoadGen's Name() went to the nodes.
    assert done.detail["sut_name"] == "Network SUT: one, two"
    assert done.detail["get_sut_name_duration_ns"] > 0
    told_of = done.result["backend"]["nodes"]
    for node, info in zip(nodes, told_of, strict=True):
        assert info["address"] == node.endpoint
        assert info["runtime"] == runtime
        assert info["lost"] is None
        assert info["answered"] == node.labels.total() > 0
    assert [info["name"] for info in told_of] == ["one", "two"]
    assert done.result["backend"]["executed_precision"] == "f32"
    # This process loads no model.
    assert done.result["cold_start"] is None
    assert done.result["memory"] is None
    # The loopback is no network.
    assert "a node on LoadGen's own machine" in done.result["rule_differences"]


def test_server_queries_are_requests(benchmark: Runner, tmp_path: Path, images: Images) -> None:
    with started(tmp_path, "--delay", "0.002") as node:
        done = benchmark(
            *(*PROFILE, "--count", COUNT, "--scenario", "Server", "--queries", 500, "--qps", 250),
            *("--max-latency", 5, *endpoints([node])),
        )
        seen = node.labels
    assert done.status == 0, done.stdout + done.stderr
    assert done.result["validity"] == "VALID"
    assert done.result["queries"] >= 500
    # The probe before the run takes the first sample alone.
    first = label_of(images[0].tobytes())
    assert set(seen) == {label_of(image.tobytes()) for image in images}
    assert seen.total() - seen[first] < done.result["queries"] < seen.total()


@pytest.mark.parametrize("typed", [(), ("--typed",)])
@pytest.mark.parametrize("classes", [1000, 1001])
def test_scores_are_taken_with_a_remark(
    benchmark: Runner, tmp_path: Path, images: Images, classes: int, typed: tuple[str, ...]
) -> None:
    with started(tmp_path, "--scores", classes, *typed) as node:
        done = benchmark(*ACCURACY, *endpoints([node]))
    assert done.status == 0, done.stderr
    assert answers(done) == expected(images)
    assert done.result["rules"] == "modified"
    assert "ArgMax in the QDL" in done.result["rule_differences"]


def test_float_model_gets_normalised_pixels(
    benchmark: Runner, tmp_path: Path, images: Images
) -> None:
    with started(tmp_path, "--datatype", "FP32", "--shape", "[-1, 3, 224, 224]") as node:
        done = benchmark(*ACCURACY, *endpoints([node]))
    assert done.status == 0, done.stderr
    mean, std = (np.array(of, np.float32) for of in (Synthetic.image.mean, Synthetic.image.std))
    floats = ((images.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2)
    assert answers(done) == expected(np.ascontiguousarray(floats))


def test_slow_node_does_not_hold_up_the_others(benchmark: Runner, tmp_path: Path) -> None:
    slow, fast = ("--name", "slow", "--delay", "0.1"), ("--name", "fast", "--delay", "0.002")
    with cluster(tmp_path, slow, fast) as nodes:
        done = benchmark(
            *(*PROFILE, "--count", COUNT, "--scenario", "Offline", "--queries", 600),
            *("--in-flight", 2, *endpoints(nodes)),
        )
        of_slow, of_fast = (node.labels.total() for node in nodes)
    assert done.status == 0, done.stderr
    # Ten times: with the work dealt out in turn it would be even.
    assert of_fast > 5 * of_slow > 0


def test_nodes_of_one_name_are_told_apart(benchmark: Runner, tmp_path: Path) -> None:
    with cluster(tmp_path, (), ()) as nodes:
        done = benchmark(*ACCURACY, *endpoints(nodes))
    assert done.status == 0, done.stderr
    names = [f"double at {node.endpoint}" for node in nodes]
    assert done.detail["sut_name"] == f"Network SUT: {', '.join(names)}"
    assert "nodes of the same name" in done.result["rule_differences"]
    assert any("--id NAME" in warning for warning in done.result["warnings"])


def test_counts_are_of_the_samples(benchmark: Runner, tmp_path: Path, images: Images) -> None:
    """The nodes together saw each sample once, beside the probe's."""
    with cluster(tmp_path, ("--name", "one"), ("--name", "two")) as nodes:
        done = benchmark(*ACCURACY, *endpoints(nodes))
        seen = sum((node.labels for node in nodes), Counter())
    assert done.status == 0, done.stderr
    wanted = Counter(expected(images).values())
    wanted.pop(label_of(images[0].tobytes()))
    seen.pop(label_of(images[0].tobytes()))
    assert seen == wanted


def test_what_a_node_says_of_itself_is_text(benchmark: Runner, tmp_path: Path) -> None:
    said = '[/x] \x1b[2J\x07 :x: "a" \\ \n<b> \ud800'
    runtime = {"executed_precision": said, "threads": 1, "streams": 1}
    # A process cannot be given a lone surrogate, which JSON can tell of.
    name = said.partition(" \ud800")[0]
    told = ("--name", name, "--runtime", json.dumps(runtime))
    with started(tmp_path, *told) as node:
        done = benchmark(*ACCURACY, *endpoints([node]))
    assert done.status == 0, done.stderr
    shown = '[/x]  :x: "a" \\  <b>'
    assert shown in done.stdout
    assert all(printable(line) == line for line in done.stdout.splitlines())
    assert done.result["backend"]["executed_precision"] == said
    assert done.result["backend"]["nodes"][0]["name"] == name
