"""The explanation on the terminal."""

from rich.console import Console

from mlperf_benchmark.core.terminal import plain, say, warn
from mlperf_benchmark.explain.layer_errors_table import print_errors
from mlperf_benchmark.explain.output.columns import columns_of
from mlperf_benchmark.explain.output.sentences import cost, machine, statement_text
from mlperf_benchmark.explain.pairs import Pair, pairs_of
from mlperf_benchmark.explain.record import Explanation, Variant
from mlperf_benchmark.explain.rules.verdict import VERDICT
from mlperf_benchmark.explain.table import WORST, table_of

LOSSES = 12
# A log has no width of its own.
LOG_WIDTH = 160
# What the terminal has no room for; the page and layers.csv show it.
LEFT_OUT = ("With", "kB")


def print_explanation(explanation: Explanation, console: Console, every: bool) -> None:
    """A table of each model, the statements, and what was measured of the machine."""
    if not console.is_terminal:
        console = Console(file=console.file, width=LOG_WIDTH, quiet=console.quiet)
    baseline = explanation.variants[0]
    for variant in explanation.variants:
        _print_variant(variant, None if variant is baseline else baseline, console, every)
    say(console, machine(explanation.peaks))
    statements = explanation.statements
    # The verdict on each variant comes first.
    verdicts = sum(statement.rule == VERDICT for statement in statements)
    told = statements if every else statements[: verdicts + LOSSES]
    for statement in told:
        say(console, statement_text(statement))
    if len(told) < len(statements):
        say(console, f"{len(statements) - len(told)} smaller losses: --all, or the page.")
    if explanation.accuracy is not None:
        print_errors(explanation.accuracy, console, every)
    for warning in explanation.warnings:
        warn(console, warning)


def _print_variant(
    variant: Variant, baseline: Variant | None, console: Console, every: bool
) -> None:
    console.print(plain(f"{variant.name}, {variant.backend} {variant.version}", "bold"))
    pairs = pairs_of(variant, baseline)
    shown = pairs if every else sorted(pairs, key=lambda one: -loss(one, baseline))[:WORST]
    columns = [one for one in columns_of(variant, baseline) if one.title not in LEFT_OUT]
    console.print(table_of(columns, shown))
    if len(shown) < len(pairs):
        order = "that lose most" if baseline else "that take longest"
        say(console, f"The {len(shown)} of {len(pairs)} operators {order}; --all shows all.")
    say(console, cost(variant))


def loss(pair: Pair, baseline: Variant | None) -> float:
    """By what the worst is found: what is lost against the baseline, or the time."""
    return pair.lost_ms if baseline else pair.after_ms
