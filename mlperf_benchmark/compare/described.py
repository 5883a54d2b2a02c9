"""What a row's model is, as far as the result says it and the description beside the model file."""

from typing import Any

from mlperf_benchmark.compare.accuracy_texts import NONE
from mlperf_benchmark.compare.record import Row

MB = 1e6
# Every pruned model's statistics are corrected.
BATCH_NORM = "batch norm"


def description(row: Row) -> dict[str, Any]:
    """Empty where the model has none."""
    return _part(_model(row), "description")


def described(row: Row, part: str, key: str) -> str:
    """What the description says in one of its parts, which it may lack."""
    return str(_part(description(row), part).get(key, NONE))


def stored_precision(row: Row) -> str:
    return str(description(row).get("precision", NONE))


def pruned(row: Row) -> str:
    sizes = [description(row).get(name) for name in ("size", "unpruned_size")]
    return NONE if None in sizes else "no" if sizes[0] == sizes[1] else "yes"


def is_pruned(row: Row) -> bool:
    return bool(_part(description(row), "pruning"))


def architecture(row: Row) -> str:
    return str(description(row).get("architecture", NONE))


def algorithm(row: Row) -> str:
    """How the model was pruned and quantized, such as "l2, uniform, INT8 by nncf"."""
    steps = ["unpruned"]
    if is_pruned(row):
        steps = [described(row, "pruning", key) for key in ("method", "scope")]
        steps += ["by latency"] if _part(_part(description(row), "pruning"), "latency") else []
        steps += [step for step in recovery(row).split(", ") if step != BATCH_NORM]
    precision = stored_precision(row)
    if precision == "int8":
        steps.append(f"INT8 by {described(row, 'quantization', 'quantizer')}")
    elif precision != "fp32":
        steps.append(precision)
    return ", ".join(steps)


def recovery(row: Row) -> str:
    """What was done to a pruned model so that it answers as before."""
    pruning = _part(description(row), "pruning")
    tuning = _part(description(row), "fine_tuning")
    if not pruning:
        return NONE
    steps = [BATCH_NORM]
    if pruning.get("reconstruct"):
        steps.append("reconstruction")
    if tuning:
        steps.append(f"{tuning['epochs']} epochs")
    return ", ".join(steps)


def gmacs(row: Row) -> float | None:
    """Of one image, in 10⁹ multiply-accumulates."""
    return _figure(row, "size", "gmacs")


def million_parameters(row: Row) -> float | None:
    parameters = _figure(row, "size", "parameters")
    return None if parameters is None else parameters / 1e6


def making(row: Row, key: str) -> float | None:
    """What making the model file took: `seconds` or `images`."""
    return _figure(row, "making", key)


def megabytes(row: Row) -> float | None:
    """Of all files that the runtime reads, in 10⁶ bytes."""
    size = _model(row).get("bytes")
    return size / MB if isinstance(size, int) else None


def _model(row: Row) -> dict[str, Any]:
    return (row.subject.model if row.subject else None) or {}


def _part(content: dict[str, Any], name: str) -> dict[str, Any]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _figure(row: Row, part: str, key: str) -> float | None:
    figure = _part(description(row), part).get(key)
    return None if figure is None else float(figure)
