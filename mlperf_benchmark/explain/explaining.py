"""The whole explanation: load the models, time them, and say what follows."""

import argparse
import dataclasses
import datetime
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.machine import describe_system
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.core.versions import PRODUCT
from mlperf_benchmark.explain.layer_errors_run import find_errors
from mlperf_benchmark.explain.measuring import Measured, measure
from mlperf_benchmark.explain.record import Explanation, Peaks, Stream, Variant
from mlperf_benchmark.explain.rules.registry import statements
from mlperf_benchmark.explain.subjects import Loaded, find_subjects, load
from mlperf_benchmark.explain.summarize import summarize
from mlperf_benchmark.tvm_compiler.peaks import PeakMeter

ACCOUNTED = 0.05
"""The sum of layers may differ from the latency by this fraction without a warning."""


@dataclass(frozen=True)
class Explained:
    """An explanation and the contents of the graph files that its variants name."""

    explanation: Explanation
    graphs: Mapping[str, bytes]


def explain(options: argparse.Namespace, console: Console) -> Explained:
    """Measure and explain the models that the options name.

    Raises UsageError or InferenceError.
    """
    subjects = find_subjects(options)
    # Errors come first: unsuitable files are refused before minutes are spent on timing.
    accuracy = find_errors(options, subjects)
    with ExitStack() as stack:
        models = []
        for subject in subjects:
            models.append(load(subject, options))
            stack.callback(models[-1].backend.close)
        _refuse_other_batches(models)
        meter = PeakMeter(max(model.info.threads for model in models))
        names = ", ".join(subject.name for subject in subjects)
        say(console, f"Timing {options.inferences} inferences of {names}, and their layers.")
        measured = measure(models, options.inferences, meter.measure)
    peaks = _peaks(meter)
    graphs = {
        name: content
        for one in measured
        for name, (_, content) in zip(_graph_names(one), one.graph, strict=True)
    }
    variants = tuple(summarize(one, peaks, _graph_names(one)) for one in measured)
    explanation = Explanation(
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        product=PRODUCT,
        command=(Path(sys.argv[0]).name, *sys.argv[1:]),
        inferences=options.inferences,
        peaks=peaks,
        variants=variants,
        statements=tuple(statements(variants, peaks)),
        system=dataclasses.asdict(describe_system()),
        accuracy=accuracy,
        warnings=tuple(_warnings(variants)),
    )
    return Explained(explanation, graphs)


def _refuse_other_batches(models: Sequence[Loaded]) -> None:
    """Layers of eight images at once are no slower layers of one."""
    first = models[0]
    for model in models[1:]:
        if model.info.max_batch_size != first.info.max_batch_size:
            raise UsageError(
                f"{model.subject.name} takes {model.info.max_batch_size} images at once and "
                f"{first.subject.name} {first.info.max_batch_size}: layers compare at one batch "
                "only. Export both for the same one."
            )


def _peaks(meter: PeakMeter) -> Peaks:
    return Peaks(
        threads=meter.threads,
        lanes=meter.lanes,
        gops={name: value / 1e9 for name, value in meter.operations.items()},
        streams=tuple(Stream(size, value / 1e9) for size, value in meter.bytes.items()),
    )


def _graph_names(measured: Measured) -> tuple[str, ...]:
    stem = re.sub(r"[^\w.-]+", "_", measured.loaded.subject.name).strip("_")
    return tuple(f"{stem}.{name}" for name, _ in measured.graph)


def _cause(unaccounted: float) -> str:
    if unaccounted > 0:
        return "the layers take longer while each is timed"
    return "the runtime spends time between the layers"


def _warnings(variants: Sequence[Variant]) -> list[str]:
    return [
        f"The layers of {variant.name} add up to {variant.layers_ms:.3f} ms, "
        f"{variant.unaccounted:+.1%} off the latency: other programs take the CPUs, or "
        f"{_cause(variant.unaccounted)}."
        for variant in variants
        if abs(variant.unaccounted) > ACCOUNTED
    ]
