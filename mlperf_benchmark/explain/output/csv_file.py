"""layers.csv: a line a layer, plain numbers, empty where there is none."""

import csv
import io

from mlperf_benchmark.core.legible import legible
from mlperf_benchmark.explain.record import Explanation, LayerRecord

FIELDS = (
    *("operator", "name", "kind", "kernel", "precision", "macs", "executed_macs", "input_bytes"),
    *("weight_bytes", "output_bytes", "input_channels", "output_channels", "share", "bound_ms"),
    *("gops", "peak_share", "stream_share"),
)


def render(explanation: Explanation) -> str:
    """With CRLF, as RFC 4180 has it."""
    explanation = legible(explanation)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["variant", "ms", "ms_low", "ms_high", *FIELDS, "origins"])
    for variant in explanation.variants:
        for layer in variant.layers:
            writer.writerow([variant.name, *_values(layer)])
    return text.getvalue()


def _values(layer: LayerRecord) -> list[object]:
    spread = layer.ms
    values = [getattr(layer, field) for field in FIELDS]
    plain = ["" if value is None else value for value in values]
    return [spread.value, spread.low, spread.high, *plain, " ".join(layer.origins)]
