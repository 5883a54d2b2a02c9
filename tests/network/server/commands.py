"""Runs serve.py the way a user does."""

import subprocess
from pathlib import Path

from tests.command import TIMEOUT, Run, command, environment
from tests.network.server.nodes import SERVE


def run_serve(*arguments: object, output: Path) -> Run:
    """Run serve.py to its end."""
    done = subprocess.run(
        command([*arguments, "--output", output], SERVE),
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, output)
