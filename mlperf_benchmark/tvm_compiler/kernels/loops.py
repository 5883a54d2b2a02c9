"""Loops over parts of dimensions, in parallel or one after the other."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir


@dataclass(frozen=True)
class Split:
    """A dimension cut into `full` parts of `size` and one of `rest` (0: it divides evenly)."""

    extent: int
    size: int

    @property
    def full(self) -> int:
        return self.extent // self.size

    @property
    def rest(self) -> int:
        return self.extent % self.size

    @property
    def parts(self) -> int:
        return self.full + bool(self.rest)


def parallel(splits: Sequence[Split], body: Callable[[list[Any], list[int]], None]) -> None:
    """One parallel loop over the parts of all `splits`, the first outermost.

    `body` gets the first index and the size of its part in every dimension. It is emitted once
    for every combination of sizes that occurs.
    """
    with tir.parallel(0, _parts(splits)) as task:
        _emit_task(splits, task, body)


def parallel_by_thread(
    threads: Any, splits: Sequence[Split], body: Callable[[Any, list[Any], list[int]], None]
) -> None:
    """Like `parallel`, but each of `threads` threads has a row of tasks of about the same work.

    Counting tasks would not do: those at the end of a dimension may be smaller. `body` gets the
    number of the thread first.
    """
    count = threads[0]
    with tir.parallel(0, count) as thread:
        begin = _first_task(splits, thread, count)
        end = _first_task(splits, thread + 1, count)
        with tir.serial(begin, end) as task:
            _emit_task(splits, task, lambda first, sizes: body(thread, first, sizes))


def _first_task(splits: Sequence[Split], thread: Any, count: Any) -> Any:
    """Return the first task of thread number `thread` of `count`.

    The work of a task is the product of its sizes; that of the tasks before is as near as it can
    be to the threads' equal shares.
    """
    inner = math.prod(split.extent for split in splits)
    # What of the shares before is left to place, in the parts that are `work` large so far.
    left, work = _kept(inner * thread // count), tirx.const(1, "int32")
    task = tirx.const(0, "int32")
    for split in splits:
        inner //= split.extent
        step = _kept(work * (inner * split.size))
        part = _kept(left // step)
        left = _kept(left - part * step)
        # Past the last part for the end of the last share, where nothing is left.
        work = _kept(work * tirx.max(tirx.min(split.size, split.extent - part * split.size), 1))
        task = _kept(task * split.parts + part)
    return _kept(task + tirx.Select(2 * left >= work, 1, 0))


def _kept(number: Any) -> Any:
    """Return an int32 computed only once: TVM takes long over terms that repeat."""
    cell = tir.alloc_buffer((1,), "int32", scope="global")
    tir.buffer_store(cell, number, [0])
    return cell[0]


def _parts(splits: Sequence[Split]) -> int:
    return math.prod(split.parts for split in splits)


def _emit_task(
    splits: Sequence[Split], task: Any, body: Callable[[list[Any], list[int]], None]
) -> None:
    indices: list[Any] = []
    left = task
    for split in reversed(splits):
        indices.insert(0, left % split.parts if split is not splits[0] else left)
        left = left // split.parts
    cases = [
        [(size, part) for part, size in enumerate((s.size, s.rest)) if (s.full, s.rest)[part]]
        for s in splits
    ]
    for combination in product(*cases):
        condition = _condition(splits, indices, combination)
        first = [index * s.size for index, s in zip(indices, splits, strict=True)]
        sizes = [size for size, _ in combination]
        if condition is None:
            body(first, sizes)
        else:
            with tir.If(condition), tir.Then():
                body(first, sizes)


def _condition(
    splits: Sequence[Split], indices: Sequence[Any], combination: Sequence[tuple[int, int]]
) -> Any:
    """Return the test for this combination of full and rest parts, or None if there is only one."""
    condition = None
    for split, index, (_, is_rest) in zip(splits, indices, combination, strict=True):
        if not split.full or not split.rest:
            continue
        test = index >= split.full if is_rest else index < split.full
        condition = test if condition is None else tirx.all(condition, test)
    return condition


def for_parts(split: Split, body: Callable[[Any, int], None]) -> None:
    """Run a serial loop over the full parts, then the rest."""
    if split.full:
        with tir.serial(0, split.full) as index:
            body(index * split.size, split.size)
    if split.rest:
        body(tirx.const(split.full * split.size, "int32"), split.rest)
