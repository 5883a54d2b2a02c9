"""Reads ONNX files, with the weights that stand beside them."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from mlperf_benchmark.core.errors import ModelError


def read_onnx(path: Path) -> onnx.ModelProto:
    """The model of a file. Raises ModelError where it is none."""
    try:
        model = onnx.load(path)
    except OSError as error:
        raise ModelError(f"Cannot read the model {path}: {error.strerror}.") from error
    except DecodeError as error:
        raise ModelError(f"{path} is not an ONNX model: {first_line(error)}") from error
    except Exception as error:
        # Weights in another file: missing, too short, or outside of the model's folder.
        raise ModelError(f"Cannot read the model {path}: {first_line(error)}") from error
    if not model.graph.node:
        raise ModelError(f"{path} is not an ONNX model: there is nothing in it.")
    return model


def first_line(error: Exception) -> str:
    """What an error of a library says, without the rest."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
