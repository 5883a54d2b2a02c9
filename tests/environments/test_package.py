"""`pip install` of this repository: console scripts, and the files that they read."""

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mlperf_benchmark import __version__
from mlperf_benchmark.core.requirements import PREPARE, RUN
from tests.command import ROOT, finished, without_the_checkout
from tests.environments.client import ENVIRONMENTS
from tests.environments.documents import made
from tests.environments.venvs import installed_by, make_venv, requirements

SCRIPTS = {"main.py": "mlperf-benchmark"} | {
    script: f"mlperf-{Path(script).stem}" for script in ENVIRONMENTS if script != "main.py"
}
TWICE = """\
rounds = 1
[run]
profile = "null"
queries = 64
[[variant]]
name = "first"
[[variant]]
name = "second"
"""


def install(folder: Path, *options: str) -> Path:
    """Install a copy of the checkout without a network; returns the folder of the scripts."""
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=made)
    packages = installed_by([RUN]) | {"pip", "setuptools"}
    python = make_venv(folder / "venv", packages)
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    subprocess.run(
        [python, "-m", "pip", "install", *offline, *options, source], check=True, timeout=120
    )
    return python.parent


def run(script: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """From another folder, and without the checkout on Python's path."""
    return finished([script, *arguments], cwd=folder, env=without_the_checkout())


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("editable"), "--editable")


def test_editable_install_brings_every_command(editable: Path, tmp_path: Path) -> None:
    assert not [name for name in SCRIPTS.values() if not (editable / name).is_file()]
    done = run(editable / "mlperf-benchmark", tmp_path, "--profile", "null", "--queries", "100")
    assert done.returncode == 0, done.stderr
    assert "VALID" in done.stdout
    assert len(list((tmp_path / "output").rglob("results.json"))) == 1


def test_script_of_a_package_that_is_missing_names_its_file(editable: Path, tmp_path: Path) -> None:
    done = run(editable / "mlperf-prepare", tmp_path, "resnet50", "--weights", "random")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: The Python package torch is missing. {PREPARE} has it")


def test_metadata_is_that_of_the_requirements_files(editable: Path) -> None:
    (site,) = editable.parent.glob("lib/*/site-packages")
    (found,) = metadata.distributions(path=[str(site)], name="mlperf-benchmark")
    assert found.version == __version__
    asked = [Requirement(text) for text in found.requires or []]
    for extra, file in (("", RUN), ("prepare", PREPARE), ("dev", "requirements-dev.txt")):
        here = {
            f"{requirement.name}{requirement.specifier}"
            for requirement in asked
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        }
        wanted = {
            f"{requirement.name}{requirement.specifier}" for requirement in requirements(file)
        }
        assert wanted
        assert wanted <= here


def test_installed_copy_needs_no_checkout(tmp_path: Path) -> None:
    """A comparison starts main.py and reads the report's page, style and script."""
    scripts = install(tmp_path)
    shutil.rmtree(tmp_path / "source")
    modules = {module.name for module in scripts.parent.glob("lib/*/site-packages/*.py")}
    assert not {module.name for module in ROOT.glob("*.py")} - modules
    (tmp_path / "twice.toml").write_text(TWICE, encoding="utf-8")
    done = run(scripts / "mlperf-compare", tmp_path, "twice.toml", "--output", "compared")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "compared" / "report.html").is_file()
    missing = run(scripts / "mlperf-sample", tmp_path)
    assert missing.returncode == 2
    assert "mlperf-benchmark's repository" in missing.stderr
