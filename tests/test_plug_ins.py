"""The plug-ins that CONTRIBUTING.md shows, in a package of their own that pip installs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlperf_benchmark.core.registry import Registry
from tests.command import ROOT, environment, finished

BLOCK = re.compile(r"^```(python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST_LINES = 40
BUILD_SYSTEM = (
    '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed the package into."""
    source = tmp_path_factory.mktemp("source")
    package = source / "my_plug_ins"
    package.mkdir()
    (package / "__init__.py").touch()
    for language, code in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        if language == "toml":
            (source / "pyproject.toml").write_text(BUILD_SYSTEM + code)
        else:
            assert code.count("\n") <= MOST_LINES
            name = code.splitlines()[0].removeprefix("# ")
            (source / name).write_text(code)
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", target, source], check=True, timeout=120)
    return target


def run(installed: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([environment()["PYTHONPATH"], str(installed)])
    words = [sys.executable, *(str(argument) for argument in arguments)]
    return finished(words, cwd=folder, env=environment() | {"PYTHONPATH": path})


def test_backend_data_set_and_exporter(installed: Path, tmp_path: Path) -> None:
    done = run(
        *(installed, tmp_path, ROOT / "compare.py"),
        *("--profile", "null", "--backend", "mean-colour", "null", "--dataset", "stripes"),
        *("--count", 8, "--queries", 64, "--rounds", 1, "--output", "compared"),
    )
    assert done.returncode == 0, done.stderr
    # Bright pixels are 100, the class of every other image.
    assert "100.0 % (8/8)" in done.stdout
    assert "50.0 % (4/8)" in done.stdout
    assert len((tmp_path / "compared" / "names.txt").read_text().splitlines()) == 2


def test_model_and_criterion(installed: Path, tmp_path: Path) -> None:
    prepare = (installed, tmp_path, ROOT / "prepare.py", "tiny", "--weights", "random")
    done = run(
        *(*prepare, "--prune", 0.25, "--prune-method", "first", "--prune-channels", "all"),
        *("--round-to", 1),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models" / "tiny_pruned25_fp32.xml").is_file()


def test_misspelt_name_of_a_plug_in_is_told_the_nearest(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed, tmp_path, ROOT / "main.py", "--profile", "null", "--backend", "mean-color"
    )
    assert done.returncode == 2
    assert 'Did you mean "mean-colour"?' in done.stderr


def test_broken_plug_in_is_named_with_its_package(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    package = broken / "broken_plug_in-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Name: broken-plug-in\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[mlperf_benchmark.backends]\nmissing = gone:Gone\n")
    done = run(broken, tmp_path, ROOT / "main.py", "--profile", "null", "--backend", "missing")
    assert done.returncode == 2
    assert "of the package broken-plug-in cannot be loaded" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_name_that_is_taken_is_not_registered_again() -> None:
    registry = Registry("thing", {"one": "json:loads"})
    with pytest.raises(ValueError, match="one"):
        registry.register("one", print)
    registry.register("two", print)
    assert registry.load("two") is print
