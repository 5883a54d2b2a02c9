"""The folder of one submitter in one division."""

from pathlib import Path
from typing import Any

from mlperf_benchmark.submit import rules
from mlperf_benchmark.submit.checking.accuracy import check_accuracy
from mlperf_benchmark.submit.checking.benchmark import is_image_classification, is_other_benchmark
from mlperf_benchmark.submit.checking.compliance import check_compliance
from mlperf_benchmark.submit.checking.finding import (
    Finding,
    Findings,
    files,
    folders,
    note,
    read_json,
)
from mlperf_benchmark.submit.checking.layout import check_names
from mlperf_benchmark.submit.checking.measurements import check_measurements
from mlperf_benchmark.submit.checking.performance import check_performance
from mlperf_benchmark.submit.checking.recognition import (
    check_left_over,
    check_power,
    has_older_layout,
    older_layout,
)
from mlperf_benchmark.submit.checking.scenario import Scenario, scenario_name
from mlperf_benchmark.submit.checking.system import check_system, is_over_network

CALIBRATION = ("calibration.md", "documentation/calibration.md")
AGAIN = "Make the tree again."


def model_mapping(submitter: Path, division: str) -> dict[str, Any]:
    """Which benchmark a model's folder is of: the open division's submitters may say."""
    return (read_json(submitter / "model_mapping.json") or {}) if division == "open" else {}


def models(submitter: Path) -> list[Path]:
    """The models' folders of all systems."""
    return [model for system in folders(submitter / "results") for model in folders(system)]


def has_task(submitter: Path, division: str) -> bool:
    """Whether the submitter has results of ResNet-50's task, or of a task that is not known."""
    mapping = model_mapping(submitter, division)
    return any(not is_other_benchmark(model.name, mapping) for model in models(submitter))


def check_submitter(tree: Path, submitter: Path, version: rules.RulesVersion) -> Findings:
    """Everything of the submitter in that division."""
    division = submitter.parent.name
    mapping = model_mapping(submitter, division)
    other = sorted({m.name for m in models(submitter) if is_other_benchmark(m.name, mapping)})
    if other:
        yield note(submitter / "results", f"{', '.join(other)}: not this task, not checked")
        if not has_task(submitter, division):
            return
    if not models(submitter):
        yield Finding(submitter / "results", "no results", AGAIN)
        return
    if has_older_layout(submitter):
        yield older_layout(submitter)
        return
    yield from check_left_over(submitter)
    yield from check_names(tree, submitter)
    yield from _check_documents(submitter, division)
    yield from check_power(submitter)
    for system in folders(submitter / "results"):
        yield from _check_system(submitter, system, mapping, version)


def _check_documents(submitter: Path, division: str) -> Findings:
    systems = {system.name for system in folders(submitter / "results")}
    for name in sorted(files(submitter / "systems")):
        if name.endswith(".json") and name.removesuffix(".json") not in systems:
            yield Finding(submitter / "systems" / name, "a system without results", "Remove it.")
    if not (submitter / "src").is_dir():
        yield Finding(submitter / "src", "missing", AGAIN)
    if division == "closed" and not any((submitter / name).is_file() for name in CALIBRATION):
        yield Finding(submitter / CALIBRATION[1], "missing", AGAIN)


def _check_system(
    submitter: Path, system: Path, mapping: dict[str, Any], version: rules.RulesVersion
) -> Findings:
    division = submitter.parent.name
    known = [model for model in folders(system) if is_image_classification(model.name, mapping)]
    for model in folders(system):
        if model not in known and not is_other_benchmark(model.name, mapping):
            yield Finding(
                model,
                "no benchmark that is known here",
                f"Call it {rules.BENCHMARK}, or in the open division map it to "
                f"{rules.CHECKER_MODEL} in model_mapping.json.",
            )
    if not known:
        return
    path = submitter / "systems" / f"{system.name}.json"
    description = read_json(path)
    yield from check_system(path, description, division, submitter.name)
    for model in known:
        yield from _check_model(model, division, description, version)


def _check_model(
    model: Path, division: str, system: dict[str, Any] | None, version: rules.RulesVersion
) -> Findings:
    system_type = str((system or {}).get("system_type"))
    # Where the type is wrong, that is the finding.
    required = rules.REQUIRED_BY_SYSTEM_TYPE.get(system_type, ())
    present = {folder: scenario_name(folder.name) for folder in folders(model)}
    if division == "closed":
        for needed in required:
            if needed not in present.values():
                yield Finding(model / needed, "missing", "The closed division needs it.")
    is_edge, over_network = "edge" in system_type, is_over_network(system)
    for folder, name in present.items():
        if name is None:
            yield Finding(folder, "no scenario of ResNet-50", "Remove it.")
        elif division == "closed" and required and name not in required:
            yield Finding(folder, "no scenario of ResNet-50 in closed", "Remove it.")
        else:
            scenario = Scenario(folder, name, division, is_edge, over_network, version)
            yield from _check_scenario(scenario)


def _check_scenario(scenario: Scenario) -> Findings:
    yield from check_measurements(scenario.folder)
    run = scenario.folder / "performance" / "run_1"
    yield from check_performance(run, rules.PERFORMANCE, scenario)
    yield from check_accuracy(scenario)
    if scenario.division == "closed":
        yield from check_compliance(scenario)
