"""A clean checkout in which the commands of the documents are run."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.command import ROOT, finished
from tests.environments import client
from tests.environments.documents import made
from tests.environments.shortening import QUERIES

# What `make quickstart` and `make test` write once they have installed everything.
INSTALLED = ("ready", "ready-dev")
STAND_IN = """\
#!{python} -IS
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.environments.client import main
sys.exit(main(Path({venvs!r}), Path({data!r}), Path({journal!r})))
"""
PATIENCE = 900
# (channels, blocks, stride) of a stage: a hundredth of ResNet-50's work, by the same operators.
STAGES = ((32, 1, 4), (32, 1, 2), (32, 1, 1), (32, 1, 1))


@dataclass(frozen=True)
class Checkout:
    """`folder` is what a clone and `make` leave, but that .venv/bin/python shortens the work."""

    folder: Path

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run it by bash as the reader of a document would, up to the first failure."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        # Torch's threads wait for each other busily, and for long on a machine that is busy.
        environment["OMP_NUM_THREADS"] = "1"
        environment["PATH"] = f"{self.folder / '.venv' / 'bin'}:{environment['PATH']}"
        words = ["bash", "-eux", "-o", "pipefail", "-c", script]
        return finished(words, cwd=self.folder, env=environment, timeout=PATIENCE)


@contextmanager
def checkout(folder: Path, venvs: Path, images: Sequence[Path]) -> Iterator[Checkout]:
    """Make one in `folder` whose commands run in `venvs`.

    Of `images`, whose names end in their labels, it makes data sets.
    """
    clone, data = folder / "clone", folder / "data"
    shutil.copytree(ROOT, clone, ignore=made)
    _write_data(data, images)
    for matrix in clone.rglob("*.toml"):
        text = matrix.read_text(encoding="utf-8")
        matrix.write_text(re.sub(r"(?m)^queries = \d+$", f"queries = {QUERIES}", text), "utf-8")
    resnet = clone / "resnet50" / "model.py"
    text = resnet.read_text(encoding="utf-8")
    resnet.write_text(re.sub(r"(?m)^STAGES = .*$", f"STAGES = {STAGES}", text), "utf-8")
    binaries = clone / ".venv" / "bin"
    binaries.mkdir(parents=True)
    text = STAND_IN.format(
        python=sys.executable,
        root=str(ROOT),
        venvs=str(venvs),
        data=str(data),
        journal=str(folder / "journal"),
    )
    for name in ("python", "python3"):
        (binaries / name).write_text(text, encoding="utf-8")
        (binaries / name).chmod(0o755)
    for name in ("bin/activate", *INSTALLED):
        (clone / ".venv" / name).touch()
    address = venvs / client.SOCKET
    python = venvs / client.PREPARE / "bin" / "python"
    command = [str(python), "-m", "tests.environments.server", str(address)]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=clone, env=alone) as server:
        try:
            while not address.exists():
                assert server.poll() is None, "the environment lacks what makes models"
                time.sleep(0.1)
            yield Checkout(clone)
        finally:
            server.terminate()


def _write_data(folder: Path, images: Sequence[Path]) -> None:
    """Data sets that share no image, by the names that the documents use."""
    names = ("calibration", "imagenet", "imagenet-train", "held-out")
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        lines = []
        for image in images[place :: len(names)]:
            shutil.copyfile(image, folder / name / image.name)
            lines.append(f"{image.name} {int(image.stem.rpartition('_')[2])}\n")
        (folder / name / "val_map.txt").write_text("".join(lines), encoding="utf-8")
