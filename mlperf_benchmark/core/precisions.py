"""Describes the precisions of a model's layers and weights in one line."""

from collections import Counter

STORED = " (weights stored as "
"""In `BackendInfo.executed_precision`: "f32 (weights stored as f16)"."""

# Types that FP32 kernels take as they are, or that weights do not have.
USUAL = frozenset({"f32", "f64", "i32", "i64", "boolean", "string"})


def summarized(layers: Counter[str]) -> str:
    """ "f32", or "int8 (53 of 54 layers), f32"; `layers` counts them by precision."""
    if not layers:
        return "unknown"
    (main, number), *rest = layers.most_common()
    if not rest:
        return main
    others = ", ".join(name for name, _ in rest)
    return f"{main} ({number} of {layers.total()} layers), {others}"


def with_storage(executed: str, stored: str) -> str:
    """`executed`, with the type that the weights are stored as if no layer computes in it."""
    computed = {part.partition(" ")[0] for part in executed.split(", ")}
    if stored in USUAL or stored in computed:
        return executed
    return f"{executed}{STORED}{stored})"
