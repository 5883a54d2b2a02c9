"""The runs that a submission needs, each as the command line of main.py that makes it."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.files import Hashes
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.own_model.settling import settled
from mlperf_benchmark.run.arguments import to_arguments
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import REFUSALS, resolve
from mlperf_benchmark.submit.audit import audit_config
from mlperf_benchmark.submit.options import Request
from mlperf_benchmark.submit.rules import ACCURACY, COMPLIANCE_TESTS, kinds_of_runs

# An option that a scenario refuses is left out of its runs, as it is meant for the others.
LEFT_OUT = ("max_batchsize", "streams")


@dataclass(frozen=True)
class PlannedRun:
    """`arguments` are main.py's, without the output folder. `config` is what they resolve to.

    `hashes` are the request's.
    """

    name: str
    kind: str
    arguments: tuple[str, ...]
    config: RunConfig
    output: Path
    hashes: Hashes


def planned_run(
    request: Request,
    scenario: str,
    kind: str,
    folder: Path,
    options: Mapping[str, object],
) -> PlannedRun:
    """One run with `options` beside those of the request.

    Raises UsageError for what main.py would refuse.
    """
    given = vars(request.run_options) | {"scenario": scenario} | dict(options)
    if kind == ACCURACY:
        given["accuracy"] = True
    parsed = parse(to_arguments(given))
    for name in _refused(parsed):
        given.pop(name)
    arguments = to_arguments(given)
    output = folder / scenario / kind
    config, _ = settled(resolve(parse([*arguments, "--output", str(output)])))
    return PlannedRun(f"{scenario} {kind}", kind, arguments, config, output, request.hashes)


def planned_runs(request: Request, user_conf: Path) -> list[PlannedRun]:
    """All runs of the submission, scenario by scenario."""
    folder = request.output / "runs"
    runs = []
    for scenario in request.scenarios:
        for kind in kinds_of_runs(request.division):
            options: dict[str, object] = {"user_conf": user_conf}
            if kind != ACCURACY:
                options["time"] = request.time
            if kind in COMPLIANCE_TESTS:
                options["audit_conf"] = audit_config(kind, request.output)
            runs.append(planned_run(request, scenario, kind, folder, options))
    return runs


def _refused(options: argparse.Namespace) -> list[str]:
    return [
        refusal.option
        for refusal in REFUSALS
        if refusal.option in LEFT_OUT
        and getattr(options, refusal.option) is not None
        and refusal.when(options)
    ]
