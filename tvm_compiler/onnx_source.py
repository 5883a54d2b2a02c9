"""Reads an ONNX file and imports it into Relax for one batch size."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from tvm.relax.frontend.onnx import from_onnx

from contracts.errors import ModelError
from tvm_compiler.onnx_folding import fold_constants, merge_padding

@dataclass(frozen=True)
class OnnxSource:
    """A model with one float32 input (N, C, H, W). `sha256` is that of the file."""

    model: Any
    input_name: str
    output_name: str
    shape: tuple[int, int, int]
    sha256: str


def read_onnx(path: Path) -> OnnxSource:
    """Read, check and simplify. Raises ModelError for files that cannot be compiled."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f'Cannot read the model "{path}": {error.strerror}.') from error
    try:
        model = onnx.load_from_string(data)
        onnx.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f'"{path}" is not a valid ONNX model: {reason}') from error
    names = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in names]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ModelError(
            f'"{path}" has {len(inputs)} inputs and {len(model.graph.output)} outputs; '
            "one of each is supported."
        )
    shape = _image_shape(inputs[0], path)
    fold_constants(model)
    merge_padding(model)
    digest = hashlib.sha256(data).hexdigest()
    return OnnxSource(model, inputs[0].name, model.graph.output[0].name, shape, digest)


def import_relax(source: OnnxSource, batch: int) -> Any:
    """The Relax module for `batch` images at once. Raises ModelError for unknown operators."""
    try:
        return from_onnx(
            source.model,
            shape_dict={source.input_name: [batch, *source.shape]},
            keep_params_in_input=False,
        )
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"TVM cannot import the model: {reason}") from error


def _image_shape(value: Any, path: Path) -> tuple[int, int, int]:
    tensor = value.type.tensor_type
    extents = [dimension.dim_value for dimension in tensor.shape.dim]
    if tensor.elem_type != onnx.TensorProto.FLOAT or len(extents) != 4 or 0 in extents[1:]:
        raise ModelError(
            f'The input "{value.name}" of "{path}" is not a float32 tensor (N, C, H, W) with '
            "fixed C, H and W."
        )
    channels, height, width = extents[1:]
    return channels, height, width
