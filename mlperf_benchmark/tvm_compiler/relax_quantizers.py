"""Reads quantize and dequantize (QDQ) as the form in which a value is stored."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.tvm_compiler.arrangement import Arranged
from mlperf_benchmark.tvm_compiler.graph import (
    Quantization,
    Requantize,
)
from mlperf_benchmark.tvm_compiler.relax_meaning import (
    Meaning,
    dequantized,
    quantization_of,
    quantized,
)
from mlperf_benchmark.tvm_compiler.relax_walk import Handler, Reader


def quantize(reader: Reader, call: Any) -> Meaning | None:
    source, scale, zero = (reader.meaning(argument) for argument in call.args)
    quantization = quantization_of(scale, zero, call)
    constant = reader.constant(call.args[0])
    if constant is not None:
        return quantized(constant, scale, zero, call.attrs)
    if quantization is None or reader.arranged(call.args[0]) is None:
        raise ModelError(
            f"The model quantizes activations to {call.attrs.out_dtype} in a way that is not "
            "supported: int8 or uint8 with one zero point, and scales that are constant are."
        )
    if stored_as(reader, source) == quantization:
        return source
    return reader.step(call, Requantize(quantization))


def dequantize(reader: Reader, call: Any) -> Meaning | None:
    source, scale, zero = (reader.meaning(argument) for argument in call.args)
    if isinstance(source, np.ndarray):
        return dequantized(source, scale, zero, int(call.attrs.axis))
    quantization = quantization_of(scale, zero, call)
    if quantization is None or stored_as(reader, source) != quantization:
        raise ModelError(
            "The model dequantizes a tensor in a way that is not supported: with the scale and "
            "zero point that it was quantized with, int8 or uint8 is."
        )
    return source


def stored_as(reader: Reader, meaning: Meaning) -> Quantization | None:
    """Return the quantization of a stored value, which may be read in another shape."""
    name = meaning.value if isinstance(meaning, Arranged) else meaning
    return reader.graph.values[name].quantization if isinstance(name, str) else None


QUANTIZERS: Mapping[str, Handler] = MappingProxyType(
    {
        "relax.quantize": quantize,
        "relax.dequantize": dequantize,
    }
)
