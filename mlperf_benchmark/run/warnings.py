"""What is doubtful about a run, each with the next step to take."""

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend import BackendInfo
from mlperf_benchmark.core.preprocessing import CUSTOM
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.loadgen.detail_log import Performance
from mlperf_benchmark.models.files.description import ModelDescription
from mlperf_benchmark.run.accuracy import Accuracy, chance_of, label_offset_hint

# LoadGen's phrase -> what to do about it here. LoadGen's own advice names settings that are not
# options of this program.
CURES = (
    (
        "Decrease the expected latency",
        "the model was more than twice as fast as the probe before the run, so another program "
        "may have kept the machine busy then. Run again on a quiet machine.",
    ),
    (
        "Increase the target QPS",
        "the queries ran out before the minimum duration: raise {rate}.",
    ),
    (
        "Increase expected QPS",
        "the model was faster than expected and done too soon: set {rate} to {faster}.",
    ),
    (
        "Reduce target QPS",
        "the latency bound was missed: lower {rate} (now {qps:.6g}), or choose a faster variant.",
    ),
)
# Below this probability guessing is no explanation.
CHANCE = 0.01
CAUSES = (
    "The usual causes: another preprocessing than the model was trained with (--profile, "
    "--dataset), or a normalisation in its graph beside the data set's; labels in another order "
    "than its classes (that of the sorted WordNet ids, from 0); INT8 calibrated with too few "
    "images, or ones unlike these; weights that were not loaded."
)
OUT_OF_TIME = "Max test duration reached"
NEEDED = re.compile(r"Need to process at least (\d+) queries")
MORE_NEEDED = re.compile(r"Would need to run at least (\d+) more queries")


def validity_warnings(outcome: Performance, target_qps: float, user_conf: Path | None) -> list[str]:
    """What cures an INVALID run; nothing for a VALID one."""
    if outcome.valid:
        return []
    reasons = " ".join(outcome.invalid_reasons)
    faster = math.ceil(outcome.samples_per_second * 1.2)
    rate = f"target_qps in {user_conf}" if user_conf else "--qps"
    cures = [
        cure.format(faster=faster, qps=target_qps, rate=rate)
        for phrase, cure in CURES
        if phrase in reasons
    ]
    needed = _queries_needed(outcome)
    if not cures and needed:
        cures.append(
            f"early stopping needs at least {needed} queries and there were {outcome.queries}: "
            f"raise --time, or give --queries {needed} in its place."
        )
    elif not cures and OUT_OF_TIME in reasons:
        cures.append("the time was over before LoadGen had enough queries: raise --time.")
    return [f"INVALID, {cure}" for cure in cures or ["see mlperf_log_detail.txt for the errors."]]


def short_tests_warning(outcome: Performance) -> list[str]:
    """Which percentiles are those of tests that are too short to have them."""
    fewest = min((test.queries for test in outcome.tests), default=0)
    if fewest < 2:
        # A run of one test, or Offline's single query.
        return []
    slowest = [
        name
        for name in ("p90", "p95", "p97", "p99", "p99.9")
        # LoadGen's place of a percentile among the latencies.
        if int(fewest * float(name[1:]) / 100) == fewest - 1
    ]
    if not slowest:
        return []
    return [
        f"With {fewest} queries in a test, {', '.join(slowest)} are the latencies of its slowest "
        "query (the median of the tests'): longer tests (--time) or fewer (--tests-per-run) tell "
        "them apart."
    ]


def _queries_needed(outcome: Performance) -> int | None:
    needed = NEEDED.search(outcome.early_stopping)
    if needed:
        return int(needed[1])
    more = MORE_NEEDED.search(outcome.early_stopping)
    return outcome.queries + int(more[1]) if more else None


def setup_warnings(
    config: RunConfig,
    info: BackendInfo,
    cpus: int,
    description: ModelDescription | None,
    has_labels: bool,
) -> list[str]:
    """What can be said before the run."""
    warnings = []
    wanted = description.dataset if description else None
    if wanted and has_labels and wanted != config.dataset:
        kind = "one of its own" if wanted == CUSTOM else f"that of {wanted}"
        alike = " unless your options say the same" if config.dataset == CUSTOM else ""
        warnings.append(
            f"The model was made for another preprocessing, {kind}, and gets that of "
            f"{config.dataset}, which costs accuracy{alike}. Use --dataset {wanted}."
        )
    if description and description.has_random_weights:
        warnings.append(
            "The model's weights are random: its speed counts, but its accuracy means nothing. "
            "Prepare it with trained --weights for accuracy."
        )
    for option, asked, used in (
        ("threads", config.threads, info.threads),
        ("streams", config.streams, info.streams),
    ):
        if asked is not None and asked != used:
            warnings.append(f"--{option} {asked} was asked for, but the runtime uses {used}.")
    # Served nodes have CPUs and options of their own.
    if info.threads > cpus and not info.nodes:
        warnings.append(
            f"{info.threads} threads share {cpus} usable CPUs and wait for each other: "
            f"use --threads {cpus} or fewer."
        )
    if config.precision != "default" and not info.computes_in.startswith(
        (config.precision, "int8", "none", "unknown")
    ):
        warnings.append(
            f"--precision {config.precision} was asked for, but the runtime computes in "
            f"{info.computes_in}."
        )
    if config.precision == "default" and "bf16" in info.computes_in and not info.nodes:
        warnings.append(
            "The runtime computes in bfloat16 where it can; use --precision f32 for FP32 figures."
        )
    if info.int8_can_overflow:
        warnings.append(
            "This CPU has no VNNI, and its INT8 kernels overflow with 8-bit weights: accuracy is "
            "lower than on other CPUs. Quantize to 7-bit weights (prepare.py --overflow-fix all)."
        )
    if config.audit_conf is None and Path("audit.config").exists():
        warnings.append(
            "audit.config in the working directory is ignored: name it with --audit-conf for a "
            "compliance run."
        )
    return warnings


def accuracy_warnings(
    accuracy: Accuracy,
    predictions: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
    offset: int,
) -> list[str]:
    """The warning that explains a doubtful accuracy best; none for a good one.

    `offset` was added to what the model answered to get the predictions.
    """
    return (
        offset_warning(label_offset_hint(predictions, labels), offset)
        or chance_warning(accuracy.good, accuracy.total, classes, offset)
        or same_answer_warning(predictions, labels)
    )


def offset_warning(missing: int | None, offset: int) -> list[str]:
    """For labels that would be right with `missing` added to the `offset` that answers had."""
    if missing is None:
        return []
    return [
        f"Accuracy is near zero, but adding {missing} to every answer would score: the model and "
        f"the label list count classes from different numbers. Use --labels-offset "
        f"{offset + missing}, or labels that count from 0 in the order of the sorted WordNet ids."
    ]


def chance_warning(good: int, total: int, classes: int, offset: int = 0) -> list[str]:
    """For a top-1 that guessing would reach as well."""
    if chance_of(good, total, classes) < CHANCE:
        return []
    added = f"{offset} was added to every answer (--labels-offset). " if offset else ""
    return [
        f"Top-1 {good}/{total} is no better than guessing among {classes} classes. {added}{CAUSES}"
    ]


def same_answer_warning(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> list[str]:
    """For a model that gives every image the same answer."""
    if len(np.unique(predictions)) > 1 or len(np.unique(labels)) == 1:
        return []
    return [f"The model gave one answer, {predictions[0]}, to all {len(labels)} images. {CAUSES}"]
