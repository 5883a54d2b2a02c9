"""Virtual environments with what a requirements file installs, made in a second.

Packages are linked in from the environment that runs the tests, each file that belongs to one and
no other file. No import, entry point or file of any other package is therefore to be found.
"""

import os
import re
import sysconfig
import venv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlperf_benchmark.core.requirements import NO_DEPS, TRITON
from tests.command import ROOT

ALONE = (NO_DEPS, TRITON)
"""Files whose packages are installed without what these ask for."""


def requirements(file: str) -> Iterator[Requirement]:
    """What a requirements file names, for this Python."""
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def installed_by(files: Iterable[str]) -> frozenset[str]:
    """Canonical names of the packages that pip installs for the files."""
    found: set[str] = set()
    for file in files:
        if file in ALONE:
            found |= {canonicalize_name(requirement.name) for requirement in requirements(file)}
        else:
            _collect(requirements(file), found, set())
    return frozenset(found)


def _collect(wanted: Iterable[Requirement], found: set[str], seen: set[tuple[str, str]]) -> None:
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        found.add(name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                _collect(_asked_for(name, extra), found, seen)


def _asked_for(name: str, extra: str) -> Iterator[Requirement]:
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def make_venv(folder: Path, packages: Iterable[str]) -> Path:
    """Make a virtual environment with links to the installed `packages`; returns its python."""
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "posix_prefix", {"base": str(folder)}))
    mine = Path(sysconfig.get_path("purelib"))
    chosen = {canonicalize_name(name) for name in packages}
    files: dict[bool, set[Path]] = defaultdict(set)
    for distribution in metadata.distributions(path=[str(mine)]):
        is_chosen = canonicalize_name(distribution.name) in chosen
        for file in distribution.files or ():
            files[is_chosen].add(Path(os.path.normpath(mine / str(file))))
    _link(files[True], files[False], mine, site)
    _copy_scripts(files[True], folder)
    return folder / "bin" / "python"


def _link(chosen: set[Path], others: set[Path], source: Path, target: Path) -> None:
    """Link whole folders where nothing else is in them, single files elsewhere."""
    mixed = {folder for file in others for folder in file.parents}
    done: set[Path] = set()
    for file in chosen:
        if not file.is_relative_to(source) or file.suffix == ".pyc":
            continue
        above = [folder for folder in file.parents if folder.is_relative_to(source)]
        whole = [folder for folder in above if folder != source and folder not in mixed]
        place = whole[-1] if whole else file
        if place not in done and place.exists():
            done.add(place)
            link = target / place.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(place)


def _copy_scripts(chosen: set[Path], folder: Path) -> None:
    """Scripts start the Python of their own environment."""
    mine = Path(sysconfig.get_path("scripts"))
    for file in chosen:
        if file.parent == mine and file.is_file():
            content = file.read_bytes()
            first = re.compile(rb"\A#!.*python.*\n")
            python = os.fsencode(folder / "bin" / "python")
            script = folder / "bin" / file.name
            script.write_bytes(first.sub(b"#!" + python + b"\n", content))
            script.chmod(0o755)
