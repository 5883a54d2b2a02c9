"""Image files go to the nodes as they are, and nothing is preprocessed here."""

from pathlib import Path

import pytest

from mlperf_benchmark.models.prepare.sample import Sample
from tests.conftest import Runner
from tests.network.double import label_of
from tests.network.nodes import endpoints, started
from tests.network.runs import answers


@pytest.mark.parametrize("takes", ["UINT8", "BYTES"])
def test_node_gets_the_files(benchmark: Runner, tmp_path: Path, sample: Sample, takes: str) -> None:
    shape = "[-1, 1]" if takes == "BYTES" else "[-1, -1]"
    with started(tmp_path, "--datatype", takes, "--shape", shape) as node:
        done = benchmark(
            *("--profile", "pytorch-kserve", "--dataset-path", sample.images),
            *("--payload", "jpeg", "--scenario", "Offline", "--accuracy", *endpoints([node])),
            *("--cache-dir", tmp_path / "cache"),
        )
    assert done.status == 0, done.stderr
    assert not (tmp_path / "cache").exists()
    lines = (sample.images / "val_map.txt").read_text().splitlines()
    files = [(sample.images / line.split()[0]).read_bytes() for line in lines]
    if takes == "BYTES":
        files = [len(file).to_bytes(4, "little") + file for file in files]
    assert answers(done) == {place: label_of(file) for place, file in enumerate(files)}
