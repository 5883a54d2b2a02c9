"""Reads ONNX files, with the weights that stand beside them, and what their graphs consist of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def true_inputs(graph: Any) -> list[Any]:
    """What is fed. Up to version 3 of the format, weights are among the inputs, too."""
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def declared_shape(value: Any) -> tuple[int | None, ...] | None:
    """As it is declared; None for what has a name, is negative or is not given."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None
        for axis in tensor.shape.dim
    )


def keep_nodes(graph: Any, wanted: set[str]) -> None:
    """Remove the nodes that the tensors `wanted`, which grows, do not depend on."""
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(read_by(node))
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def read_by(node: Any) -> Iterator[str]:
    """Yield the names that `node` reads, also in the branches of an If or the body of a Loop."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from read_by(inner)
