"""Which requirements file has a package that is missing, and how to install it.

Imports nothing slow: a command whose packages are missing asks here.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

RUN = "requirements.txt"
PREPARE = "requirements-prepare.txt"
NO_DEPS = "requirements-no-deps.txt"
TRITON = "requirements-triton.txt"

_INSTALL: Mapping[str, str] = MappingProxyType(
    {
        RUN: "python3 -m pip install -r {file}",
        PREPARE: "python3 -m pip install -r {run} -r {file}",
        NO_DEPS: "python3 -m pip install --no-deps -r {file}",
        TRITON: "python3 -m pip install --no-deps -r {file}",
    }
)
_NEWEST_PYTHON = (3, 13)
_OF_QUICKSTART = (RUN, PREPARE, NO_DEPS)

# Modules whose package has another name, or comes with a package that a file names.
_PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        "PIL": "pillow",
        "cv2": "opencv-python-headless",
        "google": "tritonclient",
        "grpc": "tritonclient",
        "markupsafe": "jinja2",
        "mlperf_loadgen": "mlcommons-loadgen",
        "tvm": "apache-tvm",
        "tvm_ffi": "apache-tvm-ffi",
    }
)


def missing_package(name: str) -> str:
    """One line for the user: which file has the package, and what installs it.

    `name` is that of a package or of a module in it. A package that no file names is needed by one
    of those, and comes with the file of everything that the commands need.
    """
    module = name.partition(".")[0]
    if sys.version_info[:2] > _NEWEST_PYTHON:
        return (
            f"The Python package {module} is missing, and mlcommons-loadgen is not available for"
            f" Python {sys.version_info[0]}.{sys.version_info[1]}: use Python 3.10 to 3.13."
        )
    folder = _folder()
    if folder is None:
        return (
            f"The Python package {module} is missing. The requirements files in mlperf-benchmark's "
            "repository say what to install."
        )
    package = _normalised(_PACKAGES.get(module, module))
    file = next((file for file in _INSTALL if package in _named_packages(folder / file)), None)
    advice = _advice(folder, file or PREPARE)
    has = f"{file} has it" if file else f"It comes with {PREPARE}"
    return f"The Python package {module} is missing. {has}: {advice}."


def _advice(folder: Path, file: str) -> str:
    place = Path() if folder == Path.cwd() else folder
    install = _INSTALL[file].format(file=place / file, run=place / RUN)
    if file not in _OF_QUICKSTART:
        return install
    return f"make quickstart installs that into .venv; elsewhere {install}"


def _named_packages(file: Path) -> frozenset[str]:
    """Normalised names of the packages in the requirements file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    names = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in lines)
    return frozenset(_normalised(name[0]) for name in names if name)


def _folder() -> Path | None:
    """The folder of the requirements files: the checkout's, None where a wheel was installed."""
    parents = Path(__file__).resolve().parents
    return next((folder for folder in parents if (folder / RUN).is_file()), None)


def _normalised(name: str) -> str:
    """As https://packaging.python.org/en/latest/specifications/name-normalization/ says."""
    return re.sub(r"[-_.]+", "-", name).lower()
