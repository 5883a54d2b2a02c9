"""Reads ONNX files, with the weights that stand beside them."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.placeholders import placeholder_in
from mlperf_benchmark.core.text import first_line


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read the model. Raises ModelError for any other file."""
    try:
        what = placeholder_in(path)
        if what is not None:
            raise ModelError(f"{path} {what}.")
        model = onnx.load(path)
    except OSError as error:
        raise ModelError(f"Cannot read the model {path}: {error.strerror}.") from error
    except DecodeError as error:
        raise ModelError(f"{path} is not an ONNX model, or is cut short.") from error
    except ModelError:
        raise
    except Exception as error:
        # Weights in another file: missing, too short, or outside of the model's folder.
        raise ModelError(f"Cannot read the model {path}: {first_line(error)}") from error
    if not model.graph.node:
        raise ModelError(f"{path} is not an ONNX model: there is nothing in it.")
    return model
