"""Real Triton servers, started the way a user does."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.network_config import is_ipv6
from tests.command import ROOT, environment

SERVE = ROOT / "serve.py"
START_SECONDS = 90
STOP_SECONDS = 20
LOOPBACK = "127.0.0.1"
READY = "Started GRPCInferenceService"


@dataclass(frozen=True)
class Node:
    """A running server."""

    name: str
    endpoint: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """As a machine that loses its power: no goodbye."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """The stubs of Triton's python backend end with it, unless it is killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


def start_node(
    repository: Path,
    name: str,
    folder: Path,
    *,
    address: str = LOOPBACK,
    prefix: Sequence[str] = (),
    cache_dir: Path = ROOT / "build" / "cache",
    options: Sequence[str] = (),
) -> Node:
    """Start a server and wait until its models are loaded. `prefix` runs the command elsewhere.

    `options` are tritonserver's.
    """
    port = free_port()
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                *prefix,
                *(sys.executable, str(SERVE), "start", str(repository), "--id", name),
                *("--address", address, "--grpc-port", str(port), "--cache-dir", str(cache_dir)),
                # A test's end need not wait for requests in flight.
                *("--tritonserver", "--exit-timeout-secs", "5", *options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment(),
            cwd=ROOT,
            start_new_session=True,
        )
    end = time.monotonic() + START_SECONDS
    while READY not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise AssertionError(
                f"Triton did not start:\n{log.read_text(errors='replace')[-3000:]}"
            )
        time.sleep(0.05)
    host = f"[{address}]" if is_ipv6(address) else address
    return Node(name, f"{host}:{port}", process, log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
