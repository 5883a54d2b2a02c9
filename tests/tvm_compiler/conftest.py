"""Compiles models and runs them through the tvm backend."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend import BackendConfig
from backend_tvm import TVMBackend
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.tvm_compiler.compiler import compile_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions
from mlperf_benchmark.tvm_compiler.target import cpu_target, host_target


def backend_config(model: Path | None, image: ImageFormat, **changes: Any) -> BackendConfig:
    settings: dict[str, Any] = {"variable_batch": True, "threads": 2}
    return BackendConfig(model, image, **(settings | changes))


class Compiler:
    """Compiles ONNX models into `folder` and loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.opened: list[TVMBackend] = []

    def compile(self, model: Any, **options: Any) -> Path:
        path = self.folder / f"model{len(list(self.folder.iterdir()))}.tvm"
        compile_model(model, path, CompileOptions(**options), self.lines.append)
        return path

    def load(self, path: Path, image: ImageFormat, **changes: Any) -> TVMBackend:
        backend = TVMBackend(backend_config(path, image, **changes))
        backend.load()
        self.opened.append(backend)
        return backend


@pytest.fixture
def compiler(tmp_path: Path) -> Iterator[Compiler]:
    folder = tmp_path / "compiled"
    folder.mkdir()
    compiler = Compiler(folder)
    yield compiler
    for backend in compiler.opened:
        backend.close()


@pytest.fixture
def runnable() -> Callable[[str], None]:
    """Skips a test of libraries for a processor that this one cannot stand in for."""

    def check(target: str) -> None:
        features = cpu_target(target).features
        missing = set(features) - set(host_target().features)
        if missing:
            pytest.skip(f"this processor lacks {', '.join(sorted(missing))} of {target}")

    return check
