"""How the precisions of a model's layers are told in one line."""

from collections import Counter


def summarized(layers: Counter[str]) -> str:
    """ "f32", or "int8 (53 of 54 layers), f32"; `layers` counts them by precision."""
    if not layers:
        return "unknown"
    (main, number), *rest = layers.most_common()
    if not rest:
        return main
    others = ", ".join(name for name, _ in rest)
    return f"{main} ({number} of {layers.total()} layers), {others}"
