"""The import rule that ARCHITECTURE.md states."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.command import ROOT

FLOOR = re.compile(r"^\| (\d+) \| (.+?) \|", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")
# Nothing else may import torch, which only those have installed who make models or measure it.
MODELS = "mlperf_benchmark/models"
TORCH_ROOMS = (
    *(f"{MODELS}/{room}/" for room in ("architectures", "optimize", "prepare")),
    "resnet50/",
    "backend_torch.py",
    "mlperf_benchmark/torch_model/",
)
TORCH = ("torch", "torch_pruning", "nncf")


def floors() -> dict[str, int]:
    """Floor by room, a folder or a module without its suffix."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return {
        name.removesuffix(".py"): int(floor)
        for floor, names in FLOOR.findall(text)
        for name in NAME.findall(names)
    }


def product() -> Iterator[Path]:
    for pattern in ("*.py", "mlperf_benchmark/**/*.py", "resnet50/**/*.py"):
        yield from (path.relative_to(ROOT) for path in ROOT.glob(pattern))


def imports(path: Path) -> Iterator[str]:
    """Every module, and every name out of one, as a path without suffix."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.replace(".", "/") for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            module = node.module.replace(".", "/")
            yield from (f"{module}/{name.name}" for name in node.names)


def room_of(path: str, rooms: dict[str, int]) -> str | None:
    inside = [room for room in rooms if path == room or path.startswith(f"{room}/")]
    return max(inside, key=len, default=None)


PACKAGES = ("mlperf_benchmark", "mlperf_benchmark/models", "mlperf_benchmark/network")


def test_every_module_is_in_a_room_of_the_table() -> None:
    rooms = floors()
    lost = [str(path) for path in product() if room_of(str(path.with_suffix("")), rooms) is None]
    packages = {f"{package}/__init__.py" for package in PACKAGES}
    assert not [path for path in lost if path not in packages]


def test_rooms_import_only_what_is_below() -> None:
    rooms = floors()
    upward = []
    for path in product():
        room = room_of(str(path.with_suffix("")), rooms)
        for imported in imports(path):
            other = room_of(imported, rooms)
            if room and other and other != room and rooms[other] >= rooms[room]:
                upward.append(f"{path} (floor {rooms[room]}): {imported} ({rooms[other]})")
    assert not upward


def test_torch_is_imported_where_models_are_made_or_run_by_it_only() -> None:
    found = [
        f"{path}: {name}"
        for path in product()
        for name in imports(path)
        if name.partition("/")[0] in TORCH and not str(path).startswith(TORCH_ROOMS)
    ]
    assert not found
