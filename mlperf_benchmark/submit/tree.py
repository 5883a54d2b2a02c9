"""Assembles a submission tree from finished runs."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.files import staged, write_text
from mlperf_benchmark.submit import documents
from mlperf_benchmark.submit.accuracy_files import list_of, write_accuracy
from mlperf_benchmark.submit.compliance import copy_logs, write_test01, write_test04
from mlperf_benchmark.submit.finished_run import USER_CONF, FinishedRun
from mlperf_benchmark.submit.model_facts import calibration_document
from mlperf_benchmark.submit.rules import (
    ACCURACY,
    BENCHMARK,
    CHECKER_MODEL,
    PERFORMANCE,
    TEST01,
    TEST04,
    kinds_of_runs,
)
from mlperf_benchmark.submit.system_file import SystemFile

TREE = "tree"


@dataclass(frozen=True)
class Submission:
    """What a tree is made from. `facts` are the fields of measurements.json."""

    division: str
    system_file: SystemFile
    machine: Mapping[str, str]
    facts: Mapping[str, str]
    description: Mapping[str, Any] | None
    runs: Mapping[str, Mapping[str, FinishedRun]]
    rehearsal: bool

    @property
    def benchmark(self) -> str:
        """The model's folder: its file's name in open, where every variant has its own."""
        model = self.one_run.result.model
        if self.division == "closed":
            return BENCHMARK
        name = "null" if model is None else Path(model.path).stem
        return re.sub(r"[^A-Za-z0-9_.+-]+", "_", name).strip("_.") or BENCHMARK

    @property
    def one_run(self) -> FinishedRun:
        return next(iter(next(iter(self.runs.values())).values()))

    @property
    def system(self) -> dict[str, str]:
        """The system description."""
        described = self.system_file.describe(self.machine)
        if self.rehearsal:
            notes = (documents.REHEARSAL_NOTE, described["sw_notes"])
            described["sw_notes"] = " ".join(filter(None, notes))
        return {
            "division": self.division,
            "submitter": self.system_file.submitter,
            "framework": documents.framework(self.one_run),
            **described,
        }


def group_runs(
    found: Sequence[FinishedRun], division: str, scenarios: Sequence[str]
) -> dict[str, dict[str, FinishedRun]]:
    """By scenario and kind. Raises UsageError for runs that are missing, doubled or unlike."""
    groups: dict[str, dict[str, FinishedRun]] = {name: {} for name in scenarios}
    kinds = kinds_of_runs(division)
    for run in found:
        if run.scenario not in groups or run.kind not in kinds:
            continue
        other = groups[run.scenario].setdefault(run.kind, run)
        if other is not run:
            raise UsageError(
                f"Two runs of {run.name}: {other.folder} and {run.folder}. Keep one in --runs."
            )
    missing = [f"{name} {kind}" for name in scenarios for kind in kinds if kind not in groups[name]]
    if missing:
        raise UsageError(f"Runs are missing: {', '.join(missing)}.")
    _check_same([run for group in groups.values() for run in group.values()])
    return {name: {kind: group[kind] for kind in kinds} for name, group in groups.items()}


def _check_same(runs: Sequence[FinishedRun]) -> None:
    same: Mapping[str, Callable[[FinishedRun], Any]] = {
        "model": lambda run: run.result.model and run.result.model.sha256,
        "data set": lambda run: run.result.dataset.list_sha256,
        "backend": lambda run: run.result.backend.name,
    }
    for what, value in same.items():
        values = {value(run): run for run in runs}
        if len(values) > 1:
            folders = " and ".join(str(run.folder) for run in values.values())
            raise UsageError(f"The {what} is not the same in {folders}.")


def write_tree(submission: Submission, output: Path) -> tuple[Path, list[str]]:
    """Write the tree in place of an older one. Returns its path and the failed comparisons."""
    tree = output / TREE
    failed: list[str] = []
    with staged(output, replaces_folders=True) as folder:
        new = folder / TREE
        root = new / submission.division / submission.system_file.submitter
        _write_documents(submission, new, root)
        system = root / "results" / submission.system_file.folder_name
        for scenario, runs in submission.runs.items():
            failed += _write_scenario(submission, system / submission.benchmark / scenario, runs)
    return tree, failed


def _write_documents(submission: Submission, tree: Path, root: Path) -> None:
    _write_json(root / "systems" / f"{submission.system_file.folder_name}.json", submission.system)
    source = root / "src" / submission.benchmark / "README.md"
    runs = [run for group in submission.runs.values() for run in group.values()]
    _write(source, documents.source_readme(runs))
    calibration = calibration_document(submission.description, submission.facts)
    _write(root / "documentation" / "calibration.md", calibration)
    if submission.benchmark != BENCHMARK:
        _write_json(root / "model_mapping.json", {submission.benchmark: CHECKER_MODEL})
    if submission.rehearsal:
        _write(tree / documents.REHEARSAL_FILE, f"{documents.REHEARSAL_NOTE}\n")


def _write_scenario(
    submission: Submission, folder: Path, runs: Mapping[str, FinishedRun]
) -> list[str]:
    performance, accuracy = runs[PERFORMANCE], runs[ACCURACY]
    readme = documents.scenario_readme(
        submission.benchmark,
        list(runs.values()),
        submission.facts,
        submission.rehearsal,
        different_images=len(set(list_of(accuracy).names)),
    )
    _write(folder / "README.md", readme)
    _write_json(folder / "measurements.json", dict(submission.facts))
    _write(folder / "user.conf", _user_conf(performance))
    copy_logs(performance, folder / "performance" / "run_1")
    copy_logs(accuracy, folder / "accuracy")
    write_accuracy(accuracy, folder / "accuracy")
    failed = []
    if TEST01 in runs:
        failed += write_test01(folder / TEST01, runs[TEST01], performance, accuracy)
    if TEST04 in runs:
        failed += write_test04(folder / TEST04, runs[TEST04], performance)
    return failed


def _user_conf(run: FinishedRun) -> str:
    used = run.folder / USER_CONF
    return used.read_text(encoding="utf-8-sig") if used.is_file() else documents.user_conf(run)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
