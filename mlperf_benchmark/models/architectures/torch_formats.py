"""Model files for torch itself."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from mlperf_benchmark.models.architectures.torch_file import write_errors
from mlperf_benchmark.models.files.formats import ModelFormat

if TYPE_CHECKING:
    from mlperf_benchmark.models.files.formats import OnnxExport


class TorchCheckpoint(ModelFormat):
    """`<stem>.pt`: a state dict. Its description beside it names the architecture."""

    takes_int8: ClassVar[bool] = False

    def graph(self, module: nn.Module, input_size: int, export_onnx: OnnxExport) -> Any:
        return module.state_dict()

    def save(self, graph: Any, folder: Path, stem: str, note: str) -> Path:
        """`note` is left to the description: a state dict holds tensors alone."""
        file = folder / f"{stem}.pt"
        with write_errors():
            torch.save(graph, file)
        return file


class ExportedProgram(ModelFormat):
    """`<stem>.pt2`: what torch.export makes of the module, for any batch.

    Input "input": normalised float32 RGB (batch, 3, input_size, input_size).
    """

    takes_int8: ClassVar[bool] = False

    def graph(self, module: nn.Module, input_size: int, export_onnx: OnnxExport) -> Any:
        # An example of batch 1 would fix the batch.
        example = torch.zeros(2, 3, input_size, input_size)
        batch = torch.export.Dim("batch", min=1)
        return torch.export.export(module.eval(), (example,), dynamic_shapes=({0: batch},))

    def save(self, graph: Any, folder: Path, stem: str, note: str) -> Path:
        file = folder / f"{stem}.pt2"
        with warnings.catch_warnings(), write_errors():
            warnings.simplefilter("ignore")
            torch.export.save(graph, file, extra_files={"weights": note})
        return file
