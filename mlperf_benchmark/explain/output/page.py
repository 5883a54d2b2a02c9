"""explain.html: one file that needs no other and no network."""

import shlex
from pathlib import Path

from mlperf_benchmark.core.legible import legible
from mlperf_benchmark.explain.layer_errors_figure import draw_errors
from mlperf_benchmark.explain.layer_errors_table import error_columns
from mlperf_benchmark.explain.output.columns import columns_of
from mlperf_benchmark.explain.output.figures import drawings
from mlperf_benchmark.explain.output.sentences import cost, machine, statement_text
from mlperf_benchmark.explain.pairs import Pair, pairs_of
from mlperf_benchmark.explain.record import Explanation
from mlperf_benchmark.pages.rendering import facts, render_page

FOLDER = Path(__file__).parent


def render(explanation: Explanation) -> str:
    """The page as HTML. Everything that is not a figure of ours is escaped."""
    explanation = legible(explanation)
    baseline = explanation.variants[0]
    tables = [
        (
            variant,
            cost(variant),
            columns_of(variant, None if variant is baseline else baseline),
            pairs_of(variant, None if variant is baseline else baseline),
        )
        for variant in explanation.variants
    ]
    accuracy = explanation.accuracy
    errors = draw_errors(accuracy) if accuracy else None
    return render_page(
        FOLDER,
        "Where the time goes: " + ", ".join(variant.name for variant in explanation.variants),
        facts(explanation.system, explanation.product, explanation.created),
        explanation=explanation,
        tables=tables,
        machine=machine(explanation.peaks),
        sentences=[statement_text(one) for one in explanation.statements],
        drawings=[*([errors] if errors else []), *drawings(explanation)],
        row_class=_row_class,
        accuracy=accuracy,
        error_columns=error_columns,
        point_class=lambda point: "variant" if point.is_layer else "fused",
        command=shlex.join(["python3", *explanation.command]),
    )


def _row_class(pair: Pair) -> str:
    return "variant" if pair.after else "fused"
