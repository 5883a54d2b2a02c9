"""Reads what torch.save wrote, without importing or calling anything that the file names."""

import contextlib
import errno
import pickle
import pickletools
import tarfile
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.placeholders import HEAD_BYTES, placeholder

ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
LEGACY_PICKLES = 5
"""Before its tensors a file of torch < 1.6 holds so many: magic, version, system, content, keys."""

FOREIGN = (
    (b"\x89HDF", "is an HDF5 file, as Keras saves; export that model to ONNX, which main.py runs"),
    (b"\x1f\x8b", "is compressed by gzip; unpack it with gunzip"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it and give the file of weights inside"),
    (b"\x93NUMPY", "holds one NumPy array; save a state dict with torch.save"),
    (bytes(64), "begins with zeros, like an unfinished download; get the file again"),
    (b"<?xml", "is XML; main.py runs OpenVINO's models as they are"),
)
END_SIGNS = ("EOF", "exhausted", "not enough data", "truncated")
SAVE = "Save the weights alone: torch.save(model.state_dict(), FILE)."


class StandIn:
    """In the place of every object that is no tensor: numbers of NumPy, options, modules, ….

    What the pickle would construct it from is dropped, what it would set on it is kept in
    `state`, and nothing is called.
    """

    state: Any = None

    def __new__(cls, *_: Any, **__: Any) -> "StandIn":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take any arguments."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class StandInMapping:
    """In the place of a subclass of dict: a plain one with the same items."""

    def __new__(cls, *_: Any, **__: Any) -> OrderedDict[Any, Any]:  # type: ignore[misc]
        return OrderedDict()


class StandInList:
    """In the place of a subclass of list: a plain one with the same items."""

    def __new__(cls, *_: Any, **__: Any) -> list[Any]:  # type: ignore[misc]
        return []


@contextlib.contextmanager
def write_errors() -> Iterator[None]:
    """Turn torch's errors while it writes a file into OSError: it keeps the system's to itself."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(errno.EIO, "torch cannot write the file") from error


def read_torch_file(file: Path) -> Any:
    """Read tensors and what lies beside them as `StandIn`s. Raises ModelError with the cause."""
    try:
        return _load(file, set(_named_objects(file)))
    except OSError as error:
        raise ModelError(f"Cannot read the weights {file}: {error.strerror or error}.") from error
    except Exception as error:  # the file may hold anything, and then anything is raised
        raise ModelError(f"{file} {_cause(file, error)}") from error


def _load(file: Path, names: set[str]) -> Any:
    containers: dict[str, type] = {}
    while True:
        stand_ins = {name: type(name, (StandIn,), {}) for name in names - containers.keys()}
        try:
            return _load_with(file, stand_ins | containers)
        except pickle.UnpicklingError as error:
            # A subclass of dict or list is filled item by item, which torch refuses by its type.
            kind = StandInMapping if "SETITEM" in str(error) else StandInList
            filled = [name for name, stand_in in stand_ins.items() if repr(stand_in) in str(error)]
            if not filled:
                raise
            containers |= dict.fromkeys(filled, kind)


def _load_with(file: Path, stand_ins: Mapping[str, type]) -> Any:
    named = [(stand_in, name) for name, stand_in in stand_ins.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.serialization.safe_globals(named):  # type: ignore[arg-type]
            return torch.load(file, map_location="cpu", weights_only=True)


def _named_objects(file: Path) -> Iterator[str]:
    """The "module.name" of every class and function that the pickles in `file` name."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for member in archive.namelist():
                if member.endswith("/data.pkl"):
                    with archive.open(member) as stream:
                        yield from _globals(stream)
        return
    with file.open("rb") as stream:
        for _ in range(LEGACY_PICKLES):
            if stream.read(1) != PICKLE:
                return
            stream.seek(-1, 1)
            yield from _globals(stream)


def _globals(stream: Any) -> Iterator[str]:
    # What is no pickle after all is left to torch.
    with contextlib.suppress(ValueError):
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "GLOBAL":
                module, _, name = str(argument).partition(" ")
                # torch.save writes names as of Python 2, torch.load reads them as of Python 3.
                module, name = NAME_MAPPING.get(
                    (module, name), (IMPORT_MAPPING.get(module, module), name)
                )
                yield f"{module}.{name}"


def _cause(file: Path, error: Exception) -> str:
    """What is wrong with the file, and the cure."""
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    found = placeholder(head) or next(
        (what for start, what in FOREIGN if head.startswith(start)), None
    )
    if found is not None:
        return f"{found}."
    if tarfile.is_tarfile(file):
        return "is a tar archive; unpack it and give the file of weights inside."
    if zipfile.is_zipfile(file):
        return _cause_in_zip(file, error)
    if head.startswith(ZIP) or (head.startswith(PICKLE) and _ended_early(error)):
        return f"is cut short or damaged ({file.stat().st_size} bytes); get the file again."
    if isinstance(error, pickle.UnpicklingError) and head.startswith(PICKLE):
        return _refused(error)
    return f"is not a file of torch.save. {SAVE}"


def _cause_in_zip(file: Path, error: Exception) -> str:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        is_damaged = archive.testzip() is not None
    if is_damaged:
        return f"is damaged ({file.stat().st_size} bytes); get the file again."
    if any(name.endswith("/constants.pkl") for name in names):
        return (
            "is a TorchScript program. Where it was made, save its weights:"
            " torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)."
        )
    if any(name.endswith(".npy") for name in names):
        return f"holds NumPy arrays. {SAVE}"
    if not any(name.endswith("/data.pkl") for name in names):
        return "is a zip archive, but not one of torch.save; if weights are inside, unpack it."
    if isinstance(error, pickle.UnpicklingError):
        return _refused(error)
    return f"is cut short or damaged ({file.stat().st_size} bytes); get the file again."


def _refused(error: Exception) -> str:
    if "is blocked" in str(error):
        return f"would call the operating system when loaded, and was not loaded. {SAVE}"
    return f"holds more than tensors, in a form that is not read. {SAVE}"


def _ended_early(error: Exception) -> bool:
    return isinstance(error, EOFError) or any(sign in str(error) for sign in END_SIGNS)
