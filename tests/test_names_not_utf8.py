"""Names of files are bytes: one that is no UTF-8 costs no run, and is written escaped."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.command import MAIN, command, environment, finished
from tests.compare.command import COMPARE
from tests.synthetic_images import jpeg
from tests.tiny_models import Tiny

# "Muñoz" in Latin-1, as Python holds it.
NAME = os.fsdecode(b"Mu\xf1oz")
ESCAPED = "Mu\\udcf1oz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of that name with a model, a user.conf and images of that name."""
    folder = tmp_path / NAME
    folder.mkdir()
    Tiny().save(folder, NAME)
    (folder / "user.conf").write_text("*.SingleStream.target_latency = 1\n")
    names = [f"{NAME}{number}.jpg" for number in range(4)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(jpeg(seed=number))
    lines = "".join(f"{name} {number}\n" for number, name in enumerate(names))
    (folder / "val_map.txt").write_bytes(os.fsencode(lines))
    return folder


def run(
    script: Path, *arguments: object, encoding: str = "utf-8"
) -> "subprocess.CompletedProcess[str]":
    return finished(command(arguments, script), env=environment() | {"PYTHONIOENCODING": encoding})


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_run_with_such_names_everywhere(folder: Path, encoding: str) -> None:
    done = run(
        MAIN,
        *("--profile", "pytorch-openvino", "--model", folder / f"{NAME}.xml"),
        *("--dataset-path", folder, "--cache-dir", folder / "cache"),
        *("--user-conf", folder / "user.conf", "--queries", 64, "--output", folder / "out"),
        encoding=encoding,
    )
    assert done.returncode == 0, done.stderr
    assert f"{ESCAPED}/{ESCAPED}.xml" in done.stdout
    text = (folder / "out" / "results.json").read_text(encoding="utf-8")
    assert ESCAPED in text
    assert json.loads(text)["model"]["path"] == str(folder / f"{NAME}.xml")


def test_a_comparison_with_such_names(folder: Path, tmp_path: Path) -> None:
    Tiny(seed=1).save(tmp_path, "other")
    common = ("--dataset-path", folder, "--cache-dir", tmp_path / "cache", "--rounds", 1)
    models = ("--model", tmp_path / "other.xml", folder / f"{NAME}.xml")
    done = run(
        COMPARE,
        *("--profile", "pytorch-openvino", "--queries", 64, *common, *models),
        *("--output", folder / "out"),
    )
    assert done.returncode == 0, done.stderr
    assert f"│ {ESCAPED}" in done.stdout
    for name in ("comparison.json", "results.md", "results.csv", "report.html"):
        text = (folder / "out" / name).read_text(encoding="utf-8")
        # Markdown escapes the backslash.
        assert ESCAPED in text.replace("\\\\", "\\"), name
