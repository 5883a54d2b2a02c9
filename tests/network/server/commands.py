"""Runs serve.py the way a user does."""

from pathlib import Path

from tests.command import Run, command, finished
from tests.network.server.nodes import SERVE


def run_serve(*arguments: object, output: Path) -> Run:
    """Run serve.py to its end."""
    done = finished(command([*arguments, "--output", output], SERVE))
    return Run(done.returncode, done.stdout, done.stderr, output)
