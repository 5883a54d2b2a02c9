"""The contract that every model file format fulfils, and the formats by name.

To add a format, write one module with a subclass of `ModelFormat`, add one line to `FORMATS`,
and name it after the backends that read it in `BACKEND_FORMATS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from mlperf_benchmark.core.registry import Registry

if TYPE_CHECKING:
    import onnx

    OnnxExport = Callable[[Any, int], onnx.ModelProto]

FORMATS = Registry(
    "model file format",
    {
        "onnx": "mlperf_benchmark.models.files.onnx_file:OnnxFile",
        "pt": "mlperf_benchmark.models.architectures.torch_formats:TorchCheckpoint",
        "pt2": "mlperf_benchmark.models.architectures.torch_formats:ExportedProgram",
        "tvm": "mlperf_benchmark.models.files.compiled_file:CompiledTVMFile",
        "xml": "mlperf_benchmark.models.files.openvino_ir:OpenVINOIr",
        "zip": "mlperf_benchmark.models.files.openvino_ir:ZippedOpenVINOIr",
    },
)

BACKEND_FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openvino": ("xml", "zip", "onnx"),
        "tvm": ("tvm",),
        "onnxruntime": ("onnx",),
        "torch": ("pt", "pt2"),
        "inductor": ("pt", "pt2"),
    }
)
"""The formats that each backend reads, the preferred one first."""


class ModelFormat(ABC):
    """One kind of model file. `tools` are the packages that it needs in addition to `TOOLS`.

    `takes_int8` says that NNCF can quantize what `graph` returns.
    """

    tools: ClassVar[tuple[str, ...]] = ()
    takes_int8: ClassVar[bool] = True

    def graph(self, module: Any, input_size: int, export_onnx: OnnxExport) -> Any:
        """Return `module` in the form that `save` takes; by default, `convert` makes it from ONNX.

        `module` is a torch module that takes float32 (batch, 3, input_size, input_size).
        """
        return self.convert(export_onnx(module, input_size))

    def convert(self, model: onnx.ModelProto) -> Any:
        """Return an ONNX graph in the form that `save` takes."""
        return model

    @abstractmethod
    def save(self, graph: Any, folder: Path, stem: str, note: str) -> Path:
        """Write `graph` into `folder` as files named after `stem`; return the one to load.

        `note` says where the weights come from and is kept inside the file. Raises OSError.
        """
