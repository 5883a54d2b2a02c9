"""Stands for .venv/bin/python of a checkout: the environment that fits the script, shortened work.

Runs in every environment: imports the standard library alone.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.environments.shortening import shortened

RUN, PREPARE = "run", "prepare"
SOCKET = "prepare.socket"
"""Where the server of the second answers."""

ENVIRONMENTS: Mapping[str, str] = MappingProxyType(
    {
        "main.py": RUN,
        "compare.py": RUN,
        "explain.py": RUN,
        "submission.py": RUN,
        "serve.py": RUN,
        "prepare.py": PREPARE,
        "finetune.py": PREPARE,
        "sample.py": PREPARE,
    }
)
OF_TORCH = "matrices/results-table.toml"
"""A comparison that runs PyTorch, which the first environment lacks."""
INVALID = 3
"""Exit status of a run that is too short to be VALID."""


def main(venvs: Path, data: Path, journal: Path) -> int:
    """Run the command line's script once; `journal` lists the ones that succeeded."""
    script = sys.argv[1]
    if script not in ENVIRONMENTS:
        sys.stderr.write(f"No environment is known for {script}\n")
        return 1
    short = shortened(sys.argv[1:], str(data))
    line = json.dumps(short) + "\n"
    if journal.exists() and line in journal.read_text(encoding="utf-8").splitlines(keepends=True):
        return 0
    if ENVIRONMENTS[script] == RUN:
        python = venvs / (PREPARE if OF_TORCH in short else RUN) / "bin" / "python"
        status = subprocess.run([python, *short], check=False).returncode
    else:
        status = _forked(venvs / SOCKET, short)
    if status in (0, INVALID):
        with journal.open("a", encoding="utf-8") as file:
            file.write(line)
        return 0
    return status


def _forked(address: Path, arguments: list[str]) -> int:
    request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(address))
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [1, 2])
        return int(connection.recv(16))
