"""Clusters of real Tritons on machines of their own, which are network namespaces."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataset import DatasetConfig
from mlperf_benchmark.images.synthetic import Synthetic
from mlperf_benchmark.loadgen.accuracy_log import read_predictions
from tests.command import Run, command, finished
from tests.network.server.namespaces import Network, delay, inside, network
from tests.network.server.nodes import Node, start_node
from tests.network.server.sleeping import NAME, label_of, write_sleeping

COUNT = 40
FAST, SLOW = 2, 30
OPTIONS = ("--profile", "pytorch-kserve", "--dataset", "synthetic", "--served-model", NAME)

Restart = Callable[[int], Node]


@pytest.fixture(scope="module")
def machines() -> Iterator[Network]:
    try:
        with network(3) as made:
            yield made
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fast and a slow model."""
    folder = tmp_path_factory.mktemp("sleeping")
    return write_sleeping(folder / "fast", FAST), write_sleeping(folder / "slow", SLOW)


@pytest.fixture(scope="module")
def three(
    triton: None,
    machines: Network,
    repositories: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[Node]]:
    """Two fast nodes and a slow one: by its network where the kernel has netem, else by itself."""
    slow_wire = delay(machines.nodes[2], SLOW)
    models = (repositories[0], repositories[0], repositories[0 if slow_wire else 1])
    folder = tmp_path_factory.mktemp("nodes")
    nodes: list[Node] = []
    try:
        for place, repository in enumerate(models):
            nodes.append(started(machines, place, repository, folder))
        yield nodes
    finally:
        for node in nodes:
            node.stop()


def started(machines: Network, place: int, repository: Path, folder: Path) -> Node:
    return start_node(
        repository,
        f"node{place}",
        folder,
        address=machines.addresses[place],
        prefix=inside(machines.nodes[place]),
    )


def run(machines: Network, nodes: list[Node], output: Path, *options: object) -> Run:
    """main.py on the client's machine."""
    endpoints = ",".join(node.endpoint for node in nodes)
    arguments = (*OPTIONS, "--count", COUNT, "--endpoint", endpoints, "--output", output, *options)
    words = command((*arguments, "--cache-dir", output.parent))
    done = finished([*inside(machines.client), *words], timeout=60)
    return Run(done.returncode, done.stdout, done.stderr, output)


def answers_are_right(done: Run, folder: Path) -> bool:
    images = Synthetic(DatasetConfig(None, None, folder, COUNT)).load(range(COUNT))
    predictions: list[int] = read_predictions(done.output, COUNT).tolist()
    return predictions == [label_of(image.tobytes()) for image in images]


def test_two_machines_share_the_work(machines: Network, three: list[Node], tmp_path: Path) -> None:
    arguments = ("--scenario", "Offline", "--accuracy")
    done = run(machines, three[:2], tmp_path / "output", *arguments)
    assert done.status == 0, done.stderr
    assert answers_are_right(done, tmp_path)
    nodes = done.result["backend"]["nodes"]
    assert [node["name"] for node in nodes] == ["node0", "node1"]
    assert all(node["answered"] > 0 for node in nodes)
    assert "a node on LoadGen's own machine" not in done.result["rule_differences"]


def test_slow_machine_does_not_starve_the_others(
    machines: Network, three: list[Node], tmp_path: Path
) -> None:
    arguments = ("--scenario", "Offline", "--queries", 600, "--in-flight", 2)
    done = run(machines, three, tmp_path / "output", *arguments)
    assert done.status in (0, 3), done.stderr
    first, second, slow = (node["answered"] for node in done.result["backend"]["nodes"])
    assert 0 < slow < min(first, second) / 2


@pytest.mark.parametrize("policy", ["fail", "continue"])
def test_machine_that_dies_in_a_run(
    machines: Network,
    three: list[Node],
    repositories: tuple[Path, Path],
    tmp_path: Path,
    policy: str,
) -> None:
    mortal = started(machines, 1, repositories[0], tmp_path)
    output = tmp_path / "output"

    def kill() -> None:
        log = output / ".incomplete" / "mlperf_log_detail.txt"
        while not log.exists() and mortal.process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.3)
        mortal.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    options = ("--scenario", "Offline", "--queries", 3000, "--deadline", 2, "--in-flight", 8)
    try:
        nodes = [three[0], mortal]
        done = run(machines, nodes, output, *options, "--on-node-loss", policy)
    finally:
        mortal.kill()
        killer.join()
    if policy == "fail":
        assert done.status == 1
        assert mortal.endpoint in done.error
        assert done.left_nothing
    else:
        assert done.status == 3, done.stderr
        assert done.result["validity"] == "INVALID"
        assert mortal.endpoint in " ".join(done.result["invalid_reasons"])
        assert done.result["backend"]["nodes"][0]["lost"] is None
