"""Makes the planned runs, and repeats those whose speed changed in between.

The compliance tests of a scenario must be as fast as its performance run. On a machine that others
use, or that gets warm, they need not be; MLPerf lets a submitter make any of these runs again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlperf_benchmark.submit.compliance import unlike_speeds
from mlperf_benchmark.submit.executing import execute, finished
from mlperf_benchmark.submit.finished_run import read_run
from mlperf_benchmark.submit.plan import PlannedRun
from mlperf_benchmark.submit.rules import PERFORMANCE

Group = Mapping[str, PlannedRun]
"""The runs of one scenario, by kind."""


@dataclass(frozen=True)
class State:
    """A planned run: finished or to be made, and why it is repeated if it was made before."""

    is_finished: bool
    why_again: str | None = None


def state(run: PlannedRun, planned: Sequence[PlannedRun]) -> State:
    """What is there of `run`, one of `planned`."""
    if finished(run) is None:
        return State(False)
    unlike = _unlike(groups(planned)[run.config.scenario])
    return State(run.kind not in unlike, unlike.get(run.kind))


def groups(planned: Sequence[PlannedRun]) -> dict[str, Group]:
    """By scenario."""
    scenarios = dict.fromkeys(run.config.scenario for run in planned)
    return {
        scenario: {run.kind: run for run in planned if run.config.scenario == scenario}
        for scenario in scenarios
    }


def make_runs(
    planned: Sequence[PlannedRun], missing: Sequence[PlannedRun], say: Callable[[str], None]
) -> None:
    """Make the missing runs scenario by scenario, and in each what `_settle` wants again."""
    number = 0
    for group in groups(planned).values():
        for run in group.values():
            if run in missing:
                number += 1
                say(f"Run {number} of {len(missing)}: {run.name}")
                execute(run)
        _settle(group, say)


def _settle(group: Group, say: Callable[[str], None]) -> None:
    """First the tests again; where they are still unlike, it was the performance run."""
    for test, why in _unlike(group).items():
        say(f"{group[test].name} does not pass: {why}. The machine's speed may have changed.")
        say(f"Once more: {group[test].name}")
        execute(group[test])
    for test, why in _unlike(group).items():
        say(f"{group[test].name} does not pass again: {why}.")
    if _unlike(group):
        say(f"Once more: {group[PERFORMANCE].name}")
        execute(group[PERFORMANCE])


def _unlike(group: Group) -> dict[str, str]:
    found = {kind: read_run(run.output) for kind, run in group.items()}
    return unlike_speeds({kind: run for kind, run in found.items() if run is not None})
