"""Imports an ONNX model into Relax for one batch size."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from tvm import relax

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.tvm_compiler.onnx_checks import (
    check_operators,
    check_scores,
    check_types,
    image_input,
)
from mlperf_benchmark.tvm_compiler.onnx_folding import fold_constants, with_fixed_shape
from mlperf_benchmark.tvm_compiler.onnx_naming import NamingImporter
from mlperf_benchmark.tvm_compiler.onnx_norms import merge_layer_norms
from mlperf_benchmark.tvm_compiler.onnx_padding import merge_padding, number_padding


@dataclass(frozen=True)
class OnnxSource:
    """A model with one float32 input of images of `shape` (C, H, W), given as (N, H, W, C) with
    `channels_last`. `sha256` is that of the file.
    """

    model: Any
    input_name: str
    output_name: str
    shape: tuple[int, int, int]
    channels_last: bool
    sha256: str


def open_model(model: Any) -> OnnxSource:
    """Check and simplify a copy of `model`. Raises ModelError if it cannot be compiled."""
    digest = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise ModelError(f"The ONNX model is not valid: {first_line(error)}") from error
    simplified = onnx.ModelProto()
    simplified.CopyFrom(model)
    names = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in names]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ModelError(
            f"The ONNX model has {len(inputs)} inputs and {len(model.graph.output)} outputs; "
            "one of each is supported."
        )
    image = image_input(inputs[0])
    check_scores(model.graph.output[0])
    check_operators(model)
    fold_constants(simplified)
    for node in simplified.graph.node:
        # Other runtimes give unnamed operators the same names.
        node.name = node.name or node.output[0]
    check_types(simplified)
    number_padding(simplified)
    merge_padding(simplified)
    merge_layer_norms(simplified)
    output = model.graph.output[0].name
    return OnnxSource(simplified, inputs[0].name, output, image.shape, image.channels_last, digest)


@dataclass(frozen=True)
class Imported:
    """A Relax module; `origins` maps the variables that operators end in to the ONNX operators."""

    module: Any
    origins: Mapping[str, str]


def import_relax(source: OnnxSource, batch: int) -> Imported:
    """The Relax module for `batch` images at once. Raises ModelError for unknown operators."""
    channels, height, width = source.shape
    image = (height, width, channels) if source.channels_last else source.shape
    try:
        shape = [batch, *image]
        fixed = with_fixed_shape(source.model, source.input_name, shape)
        importer = NamingImporter({source.input_name: shape}, "float32")
        module = importer.from_onnx(fixed.graph, _operator_set(fixed))
        # The importer also emits results that are never read, such as batch norm's statistics.
        return Imported(relax.transform.DeadCodeElimination()(module), importer.origins)
    except Exception as error:
        raise ModelError(f"TVM cannot import the model: {first_line(error)}") from error


def _operator_set(model: Any) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return int(versions[0]) if versions else 1
