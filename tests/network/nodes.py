"""Starts served nodes of tests.network.double and reads what they did."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.bound_process import bound
from tests.command import ROOT, environment

LOOPBACK = "127.0.0.1"
PROFILE = ("--profile", "pytorch-kserve", "--dataset", "synthetic")


@dataclass(frozen=True)
class StartedNode:
    """`labels` are those that the node answered, one for each request."""

    endpoint: str
    log: Path

    @property
    def labels(self) -> Counter[int]:
        return Counter(map(int, self.log.read_text().split()))


@contextmanager
def started(folder: Path, *options: object) -> Iterator[StartedNode]:
    """A node on a free port of the loopback; ended with the block."""
    log = folder / f"node-{len(list(folder.glob('node-*')))}.log"
    log.touch()
    command = [sys.executable, "-m", "tests.network.double", "--log", str(log)]
    process = subprocess.Popen(
        bound([*command, *map(str, options)]),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the node did not start"
        yield StartedNode(f"{LOOPBACK}:{port}", log)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def cluster(folder: Path, *nodes: Sequence[object]) -> Iterator[list[StartedNode]]:
    """A node for each list of options."""
    with ExitStack() as stack:
        yield [stack.enter_context(started(folder, *options)) for options in nodes]


def endpoints(nodes: Sequence[StartedNode]) -> tuple[str, str]:
    return "--endpoint", ",".join(node.endpoint for node in nodes)
