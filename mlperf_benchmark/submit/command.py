"""What submission.py does: plan, run what is missing, assemble, check."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.loadgen.user_conf import read_user_conf
from mlperf_benchmark.submit.audit import write_audit_configs
from mlperf_benchmark.submit.checking.report import check_and_report
from mlperf_benchmark.submit.documents import is_short
from mlperf_benchmark.submit.executing import finished
from mlperf_benchmark.submit.finished_run import USER_CONF, FinishedRun, find_runs
from mlperf_benchmark.submit.foresight import foresee
from mlperf_benchmark.submit.machine import machine_facts
from mlperf_benchmark.submit.making import make_runs
from mlperf_benchmark.submit.model_facts import model_facts
from mlperf_benchmark.submit.options import Request, parse
from mlperf_benchmark.submit.peak import find_peak
from mlperf_benchmark.submit.plan import planned_runs
from mlperf_benchmark.submit.plan_report import print_plan
from mlperf_benchmark.submit.probing import expectation, probed, probes, write_user_conf
from mlperf_benchmark.submit.rules import REQUIRED_BY_SYSTEM_TYPE, REQUIRED_SCENARIOS, rules_version
from mlperf_benchmark.submit.system_file import (
    MODEL_FIELDS,
    SystemFile,
    missing_answers,
    read_system_file,
    write_template,
)
from mlperf_benchmark.submit.tree import Submission, group_runs, write_tree

OK, FINDINGS = 0, 3


def main() -> int:
    """Exit status 0 for a tree without findings, 3 for one with some."""
    return run(parse(sys.argv[1:]), Console())


def run(request: Request, console: Console) -> int:
    """Do what was asked for. Returns the exit status: 0, or 3 for findings or INVALID runs."""
    if request.check is not None:
        return check_and_report(request.check, rules_version(request.version), console)
    if request.find_peak:
        return find_peak(request, console)
    if request.runs is not None:
        found = find_runs(request.runs)
        for reason in found.left_out:
            say(console, f"Left out: {reason}.")
        return _assemble(request, found.runs, console)
    return _make(request, console)


def _make(request: Request, console: Console) -> int:
    user_conf = request.user_conf or request.output / USER_CONF
    planned = planned_runs(request, user_conf)
    config = planned[0].config
    closed = request.division == "closed" and not request.rehearsal
    described = foresee(config, closed, request.hashes)
    description = dataclasses.asdict(described) if described else None
    known = model_facts(description, config.model is not None)
    if not request.plan:
        _answers(request, known)
    for one in planned:
        # Runs of something else are refused before the first probe.
        finished(one)
    is_new = _is_new_user_conf(request, user_conf, config.model_name)
    if request.plan:
        print_plan(planned, [probed(one) for one in probes(request)], console)
        _print_what_is_missing(request, known, console)
        return OK
    if is_new:
        say(console, "Probing each scenario for what to expect.")
    expected = [expectation(one) for one in probes(request)]
    if is_new:
        write_user_conf(user_conf, config.model_name, expected)
    if request.division == "closed":
        write_audit_configs(request.output)
    missing = print_plan(planned, expected, console)
    make_runs(planned, missing, lambda line: say(console, line))
    done = {one.name: finished(one) for one in planned}
    runs = [one for one in done.values() if one is not None]
    invalid = [name for name, one in done.items() if one is None]
    if invalid and not request.is_rehearsal:
        say(
            console,
            f"INVALID: {', '.join(invalid)}. No tree is made of them; their warnings above say "
            f"what to change, for instance in {user_conf}. The same command makes them again.",
        )
        return FINDINGS
    if invalid:
        say(console, f"INVALID, as runs of a rehearsal may be: {', '.join(invalid)}.")
        runs = [found for one in planned for found in find_runs(one.output).runs]
    return _assemble(request, runs, console)


def _assemble(request: Request, found: Sequence[FinishedRun], console: Console) -> int:
    groups = group_runs(found, request.division, request.scenarios)
    runs = [run for group in groups.values() for run in group.values()]
    short = [run.name for run in runs if is_short(run)]
    if short and request.division == "closed" and not request.rehearsal:
        raise UsageError(
            f"{', '.join(short)}: shorter than the closed division accepts. Make them without "
            f"--time, or add --rehearsal for a tree that is marked as one."
        )
    model = runs[0].result.model
    description = model.description if model else None
    known = model_facts(description, model is not None)
    system_file, machine = _answers(request, known)
    submission = Submission(
        division=request.division,
        system_file=system_file,
        machine=machine,
        facts=known | dict(system_file.model),
        description=description,
        runs=groups,
        rehearsal=bool(short) or request.rehearsal,
    )
    tree, failed = write_tree(submission, request.output)
    say(console, f"Tree: {tree}")
    say(console, "Keep the runs: MLCommons may ask for the accuracy logs, which the tree shortens.")
    for line in failed:
        say(console, f"Compliance failed: {line}.")
    if failed and request.runs is None:
        say(console, "The same command repeats INVALID runs and tests whose speed differs.")
    if request.division == "closed" and not failed:
        say(console, "All compliance tests passed.")
    return check_and_report(tree, rules_version(request.version), console)


def _answers(request: Request, known: Mapping[str, str]) -> tuple[SystemFile, dict[str, str]]:
    """The system file; UsageError listing all that is missing in it."""
    facts = machine_facts()
    asked = [name for name in MODEL_FIELDS if name not in known]
    if not request.system.exists():
        write_template(request.system, facts, asked)
        raise UsageError(
            f"{request.system} was written as a template. Fill in its empty values, then run again."
        )
    file = read_system_file(request.system)
    system_type = file.describe(facts)["system_type"]
    if request.division == "closed" and REQUIRED_BY_SYSTEM_TYPE[system_type] != REQUIRED_SCENARIOS:
        raise UsageError(
            f'{request.system}: with the system_type "{system_type}" the closed division asks for '
            f'Server, too, and submission.py makes the edge suite\'s scenarios: write "edge".'
        )
    missing = missing_answers(file, facts, asked)
    if missing:
        raise UsageError(f"{request.system}: fill in {'; '.join(missing)}.")
    return file, facts


def _print_what_is_missing(request: Request, known: Mapping[str, str], console: Console) -> None:
    """What a call without --plan would ask for first."""
    if request.system.exists():
        _answers(request, known)
    else:
        say(console, f"{request.system} is missing: a call without --plan writes a template.")


def _is_new_user_conf(request: Request, path: Path, model_name: str) -> bool:
    """Whether the user.conf is still to be written. Raises UsageError for one that is wrong."""
    if path.exists():
        read_user_conf(path, model_name)
        return False
    if request.user_conf is not None:
        raise UsageError(f"No file {path}; leave --user-conf out to have one written.")
    return True
