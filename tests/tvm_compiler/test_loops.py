"""How the work of a kernel is divided among threads."""

import math
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import tvm
from tvm.tirx.script import builder as tir

from mlperf_benchmark.tvm_compiler.kernels.emit import tir_function
from mlperf_benchmark.tvm_compiler.kernels.loops import Split, parallel_by_thread
from mlperf_benchmark.tvm_compiler.target import host_target

SPLITS = (
    (Split(5, 2), Split(7, 7), Split(9, 5)),
    (Split(19, 3), Split(1, 1), Split(7, 1)),
    (Split(4, 2), Split(6, 3)),
    (Split(19, 10), Split(1, 1), Split(1, 1)),
    (Split(1, 1), Split(7, 4), Split(1, 1)),
)


@pytest.mark.parametrize("splits", SPLITS)
def test_threads_get_each_task_once_and_nearly_equal_shares(
    splits: tuple[Split, ...],
) -> None:
    """A task's work is the product of its sizes, which are smaller at the end of a dimension."""
    parts = [split.parts for split in splits]
    with tir_function() as builder:
        threads = tir.arg("threads", tir.buffer((1,), "int32"))
        of_thread = tir.arg("of_thread", tir.buffer((math.prod(parts),), "int32"))

        def body(thread: Any, first: list[Any], _: list[int]) -> None:
            place: Any = 0
            for index, split in zip(first, splits, strict=True):
                place = place * split.parts + index // split.size
            tir.buffer_store(of_thread, of_thread[place] + thread + 1, [place])

        parallel_by_thread(threads, splits, body)
    function = builder.get().with_attr("global_symbol", "main")
    built = tvm.compile(tvm.IRModule({"main": function}), host_target().tvm_target())
    works = np.array([math.prod(sizes) for sizes in product(*map(_sizes, splits))])
    for count in (1, 2, 3, 4, 50):
        result = tvm.runtime.tensor(np.zeros(math.prod(parts), np.int32))
        built["main"](tvm.runtime.tensor(np.array([count], np.int32)), result)
        numbers = result.numpy() - 1
        assert all(before <= after for before, after in pairwise(numbers))
        assert 0 <= numbers.min() <= numbers.max() < count
        shares = [works[numbers == thread].sum() for thread in range(count)]
        assert max(shares) <= works.sum() / count + works.max()
        if count == 2:
            best = min(max(cut, works.sum() - cut) for cut in (0, *works.cumsum()))
            assert max(shares) == best


def _sizes(split: Split) -> list[int]:
    return [split.size] * split.full + [split.rest] * bool(split.rest)
