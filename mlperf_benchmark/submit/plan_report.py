"""Prints what is to be run and how long that takes."""

from collections.abc import Sequence

from rich.console import Console

from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.run.progress import clock
from mlperf_benchmark.submit.making import state
from mlperf_benchmark.submit.plan import PlannedRun
from mlperf_benchmark.submit.probing import Expectation
from mlperf_benchmark.submit.rules import MIN_DURATION_MS

MS = 1000


def print_plan(
    planned: Sequence[PlannedRun], expected: Sequence[Expectation | None], console: Console
) -> list[PlannedRun]:
    """Print every run with its expected duration, or the shortest possible without a probe.

    Returns those that are to be made.
    """
    known = {one.scenario: one for one in expected if one is not None}
    missing = []
    total = 0.0
    for one in planned:
        found = state(one, planned)
        if found.is_finished:
            say(console, f"  {one.name:28} finished")
            continue
        missing.append(one)
        probed = known.get(one.config.scenario)
        again = f"again: {found.why_again}" if found.why_again else None
        if probed is None:
            remarks = [_shortest(one), again]
        else:
            seconds = probed.seconds(one.config)
            total += seconds
            remarks = [f"about {clock(seconds)}", again, probed.too_short(one.config)]
        say(console, f"  {one.name:28} {', '.join(filter(None, remarks))}")
    is_known = all(one.config.scenario in known for one in missing)
    if not missing:
        say(console, "All done.")
    elif is_known:
        say(console, f"{len(missing)} runs to make, about {clock(total)}.")
    else:
        say(
            console,
            f"{len(missing)} runs to make; how long they take is known after the short probes "
            "that a call without --plan begins with.",
        )
    return missing


def _shortest(run: PlannedRun) -> str:
    if run.config.accuracy:
        return "one pass over the data set"
    seconds = run.config.time or MIN_DURATION_MS / MS
    return f"at least {clock(seconds)}"
