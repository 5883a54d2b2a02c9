"""The modules of ours that a node needs, found by following their imports."""

import shutil
from modulefinder import ModuleFinder
from pathlib import Path

from backend import BACKENDS

ROOT = Path(__file__).resolve().parents[3]
ENTRY = Path(__file__).parent / "node" / "model.py"
NODE = "mlperf_benchmark.network.server.node.triton_model"


def copy_sources(backend: str, target: Path) -> None:
    """Copy what runs the backend on a node into `target`, laid out as here."""
    finder = ModuleFinder(path=[str(ROOT)])
    for module in (NODE, BACKENDS.load(backend).__module__):
        finder.import_hook(module, fromlist=["*"])
    for module in finder.modules.values():
        # None for modules that are built into Python.
        file = getattr(module, "__file__", None)
        if file is not None:
            source = Path(file).resolve()
            copy = target / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
