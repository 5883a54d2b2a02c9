"""What is said beneath the table, the same for every output."""

from collections.abc import Iterator, Sequence

from mlperf_benchmark.compare.accuracy_texts import accuracy_footnote
from mlperf_benchmark.compare.record import Comparison, Row

TEST_TURNS = (
    "in turns of a test each, {} a run, in Server and Offline, where a round's ratio is the median "
    "of the ratios turn by turn"
)


def remarks(comparison: Comparison) -> Sequence[str]:
    """What belongs beneath the table: failures, what was not run, and warnings, each once."""
    lines = [
        f"{row.name}, {row.scenario}: FAILED: {row.failure}"
        for row in comparison.rows
        if row.failure is not None
    ]
    lines += [
        f"{row.name}, {row.scenario}: not run: {row.not_run}"
        for row in comparison.rows
        if row.not_run is not None
    ]
    lines += [
        f"{row.name}: accuracy {row.accuracy_note}"
        for row in comparison.rows
        if row.accuracy_failed
    ]
    return list(dict.fromkeys([*lines, *_warnings(comparison.rows)]))


def _warnings(rows: Sequence[Row]) -> Iterator[str]:
    """Each once, with the rows that it is about."""
    about: dict[str, list[str]] = {}
    for row in rows:
        for warning in row.warnings:
            about.setdefault(warning, []).append(f"{row.name}, {row.scenario}")
    measured = sum(bool(row.measurements) for row in rows)
    for warning, names in about.items():
        everywhere = len(names) == measured > 1
        yield f"{'All rows' if everywhere else ' / '.join(names)}: {warning}"


def footnote(comparison: Comparison) -> str:
    """How the figures came about."""
    baselines = list(dict.fromkeys(row.name for row in comparison.rows if row.baseline))
    metrics = list(dict.fromkeys(f"{row.metric} in {row.scenario}" for row in comparison.rows))
    turns, tests = comparison.queries_per_turn, comparison.tests_per_run
    count = len(comparison.order)
    rounds = f"Medians of {count} rounds" if count != 1 else "One round"
    return (
        f"{rounds} in shuffled order (seed {comparison.seed})"
        f"{f', in turns of {turns} queries where the scenario allows it' if turns else ''}"
        f"{f', {TEST_TURNS.format(tests)}' if tests else ''}. "
        f"Speed-up over {' / '.join(baselines)} by {', '.join(metrics)}: median of the rounds' "
        f"ratios with its {comparison.confidence:.0%} bootstrap interval."
        f"{accuracy_footnote(comparison)}"
    )
