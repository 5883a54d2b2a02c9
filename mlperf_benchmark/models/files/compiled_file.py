"""Models compiled for the tvm backend."""

import sys
from pathlib import Path

import onnx

from mlperf_benchmark.core.text import printable
from mlperf_benchmark.models.files.formats import ModelFormat
from mlperf_benchmark.tvm_compiler.compiler import compile_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions


class CompiledTVMFile(ModelFormat):
    """`<stem>.tvm`: a zip with one shared library per batch size, quantized as ONNX by NNCF."""

    tools = ("apache-tvm",)

    def __init__(self, options: CompileOptions) -> None:
        self._options = options

    def save(self, graph: onnx.ModelProto, folder: Path, stem: str, note: str) -> Path:
        """Compile `graph`; the description alone keeps `note`, as machine code has no
        place for it.
        """
        file = folder / f"{stem}.tvm"
        compile_model(graph, file, self._options, _tell)
        return file


def _tell(line: str) -> None:
    sys.stderr.write(f"{printable(line)}\n")
