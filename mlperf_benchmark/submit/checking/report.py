"""Checks a whole tree and prints what it found."""

from pathlib import Path

from rich.console import Console

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.submit import rules
from mlperf_benchmark.submit.checking.finding import Finding, Findings, folders
from mlperf_benchmark.submit.checking.layout import check_root
from mlperf_benchmark.submit.checking.recognition import check_network
from mlperf_benchmark.submit.checking.submitter import check_submitter, has_task

OK, FINDINGS = 0, 3


def check_and_report(tree: Path, version: rules.RulesVersion, console: Console) -> int:
    """Print every finding and note. Returns the exit status: 0 without findings, 3 with some."""
    said = list(check_tree(tree, version))
    for finding in said:
        say(console, finding.line(tree))
    notes = sum(finding.is_note for finding in said)
    faults = len(said) - notes
    verdict = _count(faults, "finding") if faults else "no findings"
    remarks = f", {_count(notes, 'note')}" if notes else ""
    say(console, f"Check by the rules of {version.name}: {verdict}{remarks}.")
    return FINDINGS if faults else OK


def check_tree(tree: Path, version: rules.RulesVersion) -> Findings:
    """All findings in a tree. Raises UsageError for a folder that is no tree."""
    submitters = [
        submitter
        for division in folders(tree)
        if division.name in rules.DIVISIONS
        for submitter in folders(division)
    ]
    if not submitters and not (tree / rules.NETWORK).is_dir():
        raise UsageError(_no_tree(tree))
    yield from check_root(tree)
    yield from check_network(tree)
    for submitter in submitters:
        yield from check_submitter(tree, submitter, version)
    if not any(has_task(submitter, submitter.parent.name) for submitter in submitters):
        yield Finding(
            tree,
            "no results of ResNet-50 in the closed or open division",
            "Other tasks are for MLCommons' checkers.",
        )


def _no_tree(tree: Path) -> str:
    if not tree.exists():
        return f"{tree} does not exist."
    if not tree.is_dir():
        return f"{tree} is a file; --check takes the folder of a submission tree."
    for above in (tree, *tree.absolute().parents[:2]):
        if above.name in rules.DIVISIONS:
            return f"{tree} is a part of a submission tree: give --check the whole, {above.parent}."
    return f"{tree} is not a submission tree: it has no closed/NAME or open/NAME."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
