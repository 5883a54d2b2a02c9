"""Evaluates Relax operators on constants: shape computations, once the batch is known."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlperf_benchmark.tvm_compiler.relax_meaning import shape_of

Numbers = NDArray[Any]


def _by(function: Callable[..., Any]) -> Callable[..., Numbers]:
    """Return `function` with its NumPy results in the type that Relax gives them."""
    return lambda call, *numbers: np.asarray(function(*numbers)).astype(str(call.ty.dtype))


CONSTANT_FUNCTIONS: Mapping[str, Callable[..., Numbers]] = MappingProxyType(
    {
        "relax.add": _by(np.add),
        "relax.subtract": _by(np.subtract),
        "relax.multiply": _by(np.multiply),
        "relax.divide": _by(np.divide),
        "relax.power": _by(np.power),
        "relax.sqrt": _by(np.sqrt),
        "relax.rsqrt": _by(lambda number: 1 / np.sqrt(number)),
        "relax.exp": _by(np.exp),
        "relax.negative": _by(np.negative),
        "relax.less": _by(np.less),
        "relax.where": _by(np.where),
        "relax.isnan": _by(np.isnan),
        "relax.astype": _by(np.asarray),
        "relax.shape_to_tensor": lambda _, number: number,
        "relax.take": lambda call, numbers, index: np.asarray(
            np.take(numbers, index, call.attrs.axis, mode="wrap")
        ),
        "relax.expand_dims": lambda call, number: number.reshape(shape_of(call)),
        "relax.squeeze": lambda call, number: number.reshape(shape_of(call)),
    }
)
"""Each gets the call and its arguments."""
