"""A real Triton that holds several versions of a model, and a broken model beside it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataset import DatasetConfig
from mlperf_benchmark.images.synthetic import Synthetic
from mlperf_benchmark.loadgen.accuracy_log import read_predictions
from tests.conftest import Runner
from tests.network.server.nodes import LOOPBACK, Node, start_node
from tests.network.server.sleeping import CLASSES, NAME, label_of, write_sleeping
from tests.network.test_addresses import ipv6_works

COUNT = 8
ACCURACY = (
    *("--profile", "pytorch-kserve", "--dataset", "synthetic", "--served-model", NAME),
    *("--scenario", "Offline", "--accuracy", "--count", COUNT),
)


@pytest.fixture(scope="module")
def node(triton: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Version 3 answers one more than version 1. Listens on IPv6 where there is such."""
    folder = tmp_path_factory.mktemp("versions")
    repository = write_sleeping(folder / "models", 1)
    model = repository / NAME
    shutil.copytree(model / "1", model / "3")
    code = (model / "3" / "model.py").read_text()
    changed = code.replace("[[label_of(image.tobytes())]]", "[[label_of(image.tobytes()) + 1]]")
    assert changed != code
    (model / "3" / "model.py").write_text(changed)
    with (model / "config.pbtxt").open("a") as config:
        config.write("version_policy { all {} }\n")
    (repository / "broken" / "1").mkdir(parents=True)
    (repository / "broken" / "1" / "model.py").write_text("raise ValueError\n")
    (repository / "broken" / "config.pbtxt").write_text('backend: "python"\n')
    address = "::1" if ipv6_works() else LOOPBACK
    options = ("--exit-on-error", "false", "--strict-readiness", "true")
    started = start_node(repository, "versions", folder, address=address, options=options)
    yield started
    started.stop()


@pytest.mark.parametrize(("version", "more"), [("1", 0), ("3", 1), (None, 1)])
def test_version_that_is_asked_for_answers(
    benchmark: Runner, node: Node, tmp_path: Path, version: str | None, more: int
) -> None:
    asked = ("--model-version", version) if version else ()
    done = benchmark(*ACCURACY, "--endpoint", node.endpoint, *asked)
    assert done.status == 0, done.stderr
    images = Synthetic(DatasetConfig(None, None, tmp_path, COUNT)).load(range(COUNT))
    expected = [(label_of(image.tobytes()) + more) % CLASSES for image in images]
    assert read_predictions(done.output, COUNT).tolist() == expected
    assert done.result["backend"]["nodes"][0]["model_version"] == (version or "3")
    told = any("holds the versions 1, 3 of the model" in line for line in done.result["warnings"])
    assert told == (version is None)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--model-version", "2"), 'the model "sleeping" has no version 2, but 1, 3'),
        (("--served-model", "broken"), "no available versions"),
    ],
)
def test_what_is_not_served_is_named(
    benchmark: Runner, node: Node, arguments: tuple[str, ...], reason: str
) -> None:
    done = benchmark(*ACCURACY, "--endpoint", node.endpoint, *arguments)
    assert done.status == 2
    assert node.endpoint in done.error
    assert reason in done.error
