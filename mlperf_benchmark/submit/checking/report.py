"""Checks a whole tree and prints what it found."""

from pathlib import Path

from rich.console import Console

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.submit import rules
from mlperf_benchmark.submit.checking.accuracy import check_accuracy
from mlperf_benchmark.submit.checking.compliance import check_compliance
from mlperf_benchmark.submit.checking.finding import Finding, Findings, files, folders, read_json
from mlperf_benchmark.submit.checking.layout import check_names, check_root
from mlperf_benchmark.submit.checking.measurements import check_measurements
from mlperf_benchmark.submit.checking.performance import check_performance
from mlperf_benchmark.submit.checking.system import check_system

OK, FINDINGS = 0, 3
CALIBRATION = ("calibration.md", "documentation/calibration.md")


def check_and_report(tree: Path, version: rules.RulesVersion, console: Console) -> int:
    """Print every finding. Returns the exit status: 0 without findings, 3 with some."""
    found = list(check_tree(tree, version))
    for finding in found:
        say(console, finding.line(tree))
    plural = "" if len(found) == 1 else "s"
    verdict = f"{len(found)} finding{plural}" if found else "no findings"
    say(console, f"Check by the rules of {version.name}: {verdict}.")
    return FINDINGS if found else OK


def check_tree(tree: Path, version: rules.RulesVersion) -> Findings:
    """All findings in a tree. Raises UsageError for a folder that is none."""
    submitters = [
        (division, submitter)
        for division in folders(tree)
        if division.name in rules.DIVISIONS
        for submitter in folders(division)
    ]
    if not submitters:
        raise UsageError(f"{tree} is no submission tree: it has no closed/NAME or open/NAME.")
    yield from check_root(tree)
    for division, submitter in submitters:
        yield from check_names(submitter)
        yield from _check_submitter(submitter, division.name, version)


def _check_submitter(submitter: Path, division: str, version: rules.RulesVersion) -> Findings:
    systems = folders(submitter / "results")
    if not systems:
        yield Finding(submitter / "results", "no results", "Make the tree again.")
    for name in sorted(files(submitter / "systems")):
        if name.endswith(".json") and name.removesuffix(".json") not in {s.name for s in systems}:
            yield Finding(submitter / "systems" / name, "a system without results", "Remove it.")
    if not (submitter / "src").is_dir():
        yield Finding(submitter / "src", "missing", "Make the tree again.")
    if division == "closed" and not any((submitter / name).is_file() for name in CALIBRATION):
        yield Finding(submitter / CALIBRATION[1], "missing", "Make the tree again.")
    mapping = read_json(submitter / "model_mapping.json") or {}
    for system in systems:
        description = submitter / "systems" / f"{system.name}.json"
        yield from check_system(description, division, submitter.name)
        for model in folders(system):
            yield from _check_model(model, division, mapping, version)


def _check_model(
    model: Path, division: str, mapping: dict[str, str], version: rules.RulesVersion
) -> Findings:
    known = {rules.BENCHMARK, rules.CHECKER_MODEL}
    if division == "open":
        known |= {name for name, of in mapping.items() if of == rules.CHECKER_MODEL}
    if model.name not in known:
        yield Finding(
            model,
            "no benchmark that is known here",
            f"Call it {rules.BENCHMARK}, or in the open division map it to "
            f"{rules.CHECKER_MODEL} in model_mapping.json.",
        )
    scenarios = folders(model)
    if division == "closed":
        present = {scenario.name for scenario in scenarios}
        for name in rules.REQUIRED_SCENARIOS:
            if name not in present:
                yield Finding(model / name, "missing", "The closed division needs it.")
        for name in sorted(present - set(rules.REQUIRED_SCENARIOS)):
            yield Finding(model / name, "no scenario of ResNet-50 in closed", "Remove it.")
    for scenario in scenarios:
        yield from _check_scenario(scenario, division, version)


def _check_scenario(scenario: Path, division: str, version: rules.RulesVersion) -> Findings:
    name = scenario.name
    yield from check_measurements(scenario)
    run = scenario / "performance" / "run_1"
    yield from check_performance(run, rules.PERFORMANCE, name, version)
    yield from check_accuracy(scenario / "accuracy", division, name, version)
    if division == "closed":
        yield from check_compliance(scenario, version)
