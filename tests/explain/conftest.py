"""A small net, once as it is and once with channels that fill no vector, for several backends."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.files.openvino_ir import OpenVINOIr
from mlperf_benchmark.models.optimize.config import QuantizationConfig
from mlperf_benchmark.models.optimize.quantization import quantize
from mlperf_benchmark.tvm_compiler.compiler import compile_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions
from tests.command import ROOT, Run, command, finished
from tests.explain.nets import images
from tests.models.small_nets import small

EXPLAIN = ROOT / "explain.py"
SIZE = 224


@dataclass(frozen=True)
class Nets:
    """`full` has 48 inner channels, `odd` 37, which run as 48. `int8_onnx` is `full` quantized."""

    full: Path
    odd: Path
    full_onnx: Path
    int8_onnx: Path
    full_tvm: Path


@pytest.fixture(scope="session")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Nets:
    folder = tmp_path_factory.mktemp("nets")
    full, odd = _exported(48), _exported(37)
    onnx.save(full, folder / "full.onnx")
    pixels = images(2, SIZE)
    onnx.save(quantize(_exported(48), pixels, QuantizationConfig(), "mixed"), folder / "int8.onnx")
    compile_model(full, folder / "full.tvm", CompileOptions(batches=(1,), threads=1))
    files = OpenVINOIr()
    return Nets(
        full=files.save(files.convert(full), folder, "full", "random"),
        odd=files.save(files.convert(odd), folder, "odd", "random"),
        full_onnx=folder / "full.onnx",
        int8_onnx=folder / "int8.onnx",
        full_tvm=folder / "full.tvm",
    )


def _exported(inner: int) -> onnx.ModelProto:
    net = small(inner)
    net.classifier = nn.Linear(6, 1000)
    with torch.no_grad():
        return export_onnx(net.eval(), SIZE)


class Explained(Run):
    """A finished process and what it wrote."""

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.output / "explain.json").read_text())
        return content


def run_explain(*arguments: object, output: Path) -> Explained:
    """Run explain.py to its end, with as little measuring as makes sense."""
    little = ("--inferences", 2, "--threads", 1)
    done = finished(command([*arguments, *little, "--output", output], EXPLAIN))
    return Explained(done.returncode, done.stdout, done.stderr, output)
