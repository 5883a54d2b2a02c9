"""What a variant costs before and beside its speed: cold start and memory, over the rounds."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any, TypeVar

from mlperf_benchmark.run.result import ColdStart, Memory

Costs = TypeVar("Costs", ColdStart, Memory)


def median_cold_start(found: Sequence[ColdStart | None]) -> ColdStart | None:
    """Where some runs took the model from the runtime's cache, of those: others filled it."""
    known = [one for one in found if one is not None]
    cached = [one for one in known if one.from_model_cache]
    return _median(cached or known, ColdStart)


def median_memory(found: Sequence[Memory | None]) -> Memory | None:
    return _median([one for one in found if one is not None], Memory)


def _median(found: Sequence[Costs], kind: type[Costs]) -> Costs | None:
    if not found:
        return None
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        each = [getattr(one, field.name) for one in found]
        numeric = not any(value is None or isinstance(value, bool) for value in each)
        values[field.name] = type(each[0])(statistics.median(each)) if numeric else each[0]
    return kind(**values)
