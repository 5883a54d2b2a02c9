"""What `make` and continuous integration say and install where something is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT

BASH = shutil.which("bash") or "/bin/bash"
USED = ("bash", "dirname")
PRETENDED = """\
#!/bin/sh
exec {python} -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2"
"""


def stub(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!{BASH}\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 14, 0)])
@pytest.mark.parametrize("target", ["quickstart", "test"])
def test_make_names_the_pythons_that_loadgen_has(
    version: tuple[int, int, int], target: str, tmp_path: Path
) -> None:
    for file in (ROOT / "Makefile", *ROOT.glob("requirements*.txt")):
        shutil.copy(file, tmp_path)
    python = tmp_path / "python3"
    python.write_text(PRETENDED.format(python=sys.executable, version=version), encoding="utf-8")
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "-C", str(tmp_path), target, f"PYTHON={python}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    said = f"This is Python {version[0]}.{version[1]}, and LoadGen has packages for 3.10 to 3.13"
    assert done.stderr.startswith(said)
    assert not (tmp_path / ".venv").exists()


class Machine:
    """One where of Debian's packages only what .ci/run itself needs is installed."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.journal = folder / "journal"
        self.clone = folder / "clone"
        (self.clone / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "run", self.clone / ".ci")
        self.programs.mkdir()
        for name in USED:
            (self.programs / name).symlink_to(shutil.which(name) or name)
        # One that finds no shared library, as Debian's without libpython.
        lacking = 'case "$2" in *CDLL*) exit 1;; esac'
        stub(self.programs, "python3", f'{lacking}\nexec {sys.executable} "$@"')
        self.note("make")

    def note(self, name: str, more: str = "") -> None:
        """Have a program that only notes how it was called."""
        stub(self.programs, name, f'echo {name} "$@" >> {self.journal}\n{more}')

    def become(self, user: int) -> None:
        stub(self.programs, "id", f"echo {user}")

    def run(self) -> tuple[list[str], str]:
        """The noted calls and what was said."""
        environment = {"PATH": str(self.programs), "HOME": os.environ.get("HOME", "/")}
        done = subprocess.run(
            [BASH, str(self.clone / ".ci" / "run")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return self.journal.read_text(encoding="utf-8").splitlines(), done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


LIBRARY = f"libpython{sys.version_info[0]}.{sys.version_info[1]}"


def test_root_gets_what_tests_would_skip_without(machine: Machine) -> None:
    machine.become(0)
    machine.note("apt-get")
    calls, _ = machine.run()
    assert calls[0].startswith("apt-get update")
    assert calls[-1] == "make test"
    installed = [call.split()[-1] for call in calls[1:-1]]
    assert {"chromium", "chromium-driver", LIBRARY, "iproute2", "openssl"} <= set(installed)


def test_what_is_there_is_not_installed(machine: Machine) -> None:
    machine.become(0)
    machine.note("apt-get")
    machine.note("chromium")
    calls, _ = machine.run()
    packages = [call.split()[-1] for call in calls]
    assert "chromium" not in packages
    assert "make" not in packages
    assert "chromium-driver" in packages


def test_what_cannot_be_installed_is_said(machine: Machine) -> None:
    machine.become(0)
    machine.note("apt-get", "exit 100")
    calls, said = machine.run()
    assert "Cannot install chromium: tests that need it are skipped." in said
    assert calls[-1] == "make test"


@pytest.mark.parametrize(("user", "has_apt"), [(1000, True), (0, False)])
def test_who_may_not_install_is_told_what_is_missing(
    machine: Machine, user: int, has_apt: bool
) -> None:
    machine.become(user)
    if has_apt:
        machine.note("apt-get")
    calls, said = machine.run()
    assert calls == ["make test"]
    assert "missing here:" in said
    assert f"chromium chromium-driver {LIBRARY} iproute2" in said
