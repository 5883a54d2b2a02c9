"""The sample model in repositories of Triton, and servers that the tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.network.server.triton_wheel import server_folder
from tests.network.server.commands import run_serve
from tests.network.server.nodes import Node, start_node

MAX_BATCH = 4


@pytest.fixture(scope="session")
def triton() -> None:
    """Skips where Triton cannot be had from its package."""
    try:
        server_folder()
    except UsageError as error:
        pytest.skip(f"no Triton here: {error}")


@pytest.fixture(scope="session")
def pixels_repository(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample model, which takes pixels."""
    return _written(sample, tmp_path_factory, "--threads", 1)


@pytest.fixture(scope="session")
def jpeg_repository(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample model, which takes JPEG files."""
    return _written(sample, tmp_path_factory, "--threads", 1, "--payload", "jpeg")


def _written(sample: Sample, factory: pytest.TempPathFactory, *options: object) -> Path:
    folder = factory.mktemp("repository") / "models"
    arguments = ("triton", sample.model, "--max-batchsize", MAX_BATCH, *options)
    done = run_serve(*arguments, output=folder)
    assert done.status == 0, done.stderr
    return folder


NodeStarter = Callable[[Path, str], Node]


@pytest.fixture(scope="session")
def start(triton: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeStarter]:
    """Starts nodes that live as long as the session."""
    nodes: list[Node] = []
    folder = tmp_path_factory.mktemp("nodes")

    def started(repository: Path, name: str) -> Node:
        node = start_node(repository, name, folder)
        nodes.append(node)
        return node

    yield started
    for node in nodes:
        node.stop()


@pytest.fixture(scope="session")
def pixels_node(start: NodeStarter, pixels_repository: Path) -> Node:
    return start(pixels_repository, "pixels-node")


@pytest.fixture(scope="session")
def jpeg_node(start: NodeStarter, jpeg_repository: Path) -> Node:
    return start(jpeg_repository, "jpeg-node")
