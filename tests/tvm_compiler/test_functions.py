"""Functions of 16 numbers at once against NumPy in float64."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tvm
from numpy.typing import NDArray
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.emit import tir_function
from mlperf_benchmark.tvm_compiler.kernels.functions import FUNCTIONS
from mlperf_benchmark.tvm_compiler.kernels.vectors import keep, ramp
from mlperf_benchmark.tvm_compiler.target import host_target

TRUTH: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "exp": np.exp,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf),
}


LARGEST = {"exp": 1e-7, "sigmoid": 2e-7, "tanh": 3e-7, "erf": 4e-7}
"""A little more than is documented: other processors round otherwise."""


def applied(name: str, numbers: NDArray[np.float32]) -> NDArray[np.float64]:
    with tir_function() as builder:
        tir.func_attr({"global_symbol": "main"})
        source = tir.arg("source", tir.buffer((numbers.size,), "float32"))
        target = tir.arg("target", tir.buffer((numbers.size,), "float32"))
        with tir.serial(0, numbers.size // 16) as step:
            lanes = ramp(step * 16)
            tir.buffer_store(target, FUNCTIONS[name](keep(source[lanes])), [lanes])
    library = tvm.compile(tvm.IRModule({"main": builder.get()}), host_target().tvm_target())
    result = tvm.runtime.tensor(np.zeros_like(numbers))
    library["main"](tvm.runtime.tensor(numbers), result)
    return np.asarray(result.numpy(), np.float64)


@pytest.mark.parametrize("name", TRUTH)
def test_errors_are_those_that_are_documented(name: str) -> None:
    numbers = np.arange(-20, 20, 2.0**-12).astype(np.float32)
    expected = TRUTH[name](numbers.astype(np.float64))

    error = np.abs(applied(name, numbers) - expected)

    if name in ("exp", "sigmoid"):
        error /= np.abs(expected)
    assert error.max() < LARGEST[name]


@pytest.mark.parametrize("name", TRUTH)
def test_large_numbers_stay_finite(name: str) -> None:
    """Whatever lies past the last channel is computed, too."""
    numbers = np.repeat(np.array([-3e38, -200, 200, 3e38], np.float32), 4)
    assert np.all(np.isfinite(applied(name, numbers)))
