"""Our check agrees with MLCommons' two checkers, whose verdicts are recorded, on spoiled trees."""

import io
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from rich.console import Console

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.submit.checking.report import check_and_report, check_tree
from mlperf_benchmark.submit.rules import DIVISIONS, rules_version
from tests.submit.official_verdicts import VERDICTS, VERSION
from tests.submit.spoiled_kinds import spoilers
from tests.submit.spoiling import (
    SYSTEM,
    Spoiler,
    logged,
    renamed_model,
    written,
)
from tests.submit.trees import submit

RECORDED: Mapping[str, Mapping[str, Mapping[str, str]]] = json.loads(VERDICTS.read_text())
DETAIL = (
    f"closed/Example/results/{SYSTEM}/resnet50/SingleStream/performance/run_1/mlperf_log_detail.txt"
)
STRICTER = {
    "at most 5 s": "a maximum below 600 s ends the run before the minimum",
    "unknown division": "MLCommons' checkers complain of it, too, and go on",
    "marked as a rehearsal": "somebody made it to try out",
    "no hash in accuracy.txt": "MLPerf's rules ask for it in the open division, too",
    "TEST01 without its settings": "a plain run is no compliance test",
    "TEST04 without its settings": "a plain run is no compliance test",
    "performance run of one sample": "a compliance test is no performance run",
    "TEST01 without a hash": "MLPerf's script shortens the log and writes the hash here, too",
    "TEST01 log not shortened": "likewise",
    "performance run as accuracy run": "it answers a part of the data set, some of it twice",
    "seeds of another round in the accuracy run": "it was made with another LoadGen",
    "error that is not counted": "it is one all the same",
    "accuracy of another scenario": "what cannot be inferred has to be measured",
}
"""What we refuse although both checkers accept it, and why."""

KINDS = [(division, kind) for division in DIVISIONS for kind in spoilers(division)]


@pytest.mark.parametrize(("division", "kind"), KINDS)
def test_verdict_is_that_of_the_official_checkers(
    division: str, kind: str, made_trees: Mapping[str, Path], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(made_trees[division], tree)
    spoilers(division)[kind](tree / division / "Example")
    found = check_tree(tree, rules_version(VERSION))
    findings = [finding.line(tree) for finding in found if not finding.is_note]
    refused = "refused" in RECORDED[division][kind].values()
    if kind in STRICTER and not refused:
        assert findings
    else:
        assert bool(findings) == refused, findings


def test_trees_of_another_round_have_other_seeds(made_trees: Mapping[str, Path]) -> None:
    findings = list(check_tree(made_trees["closed"], rules_version("v6.0")))
    assert findings
    assert all("6.0.5 to 6.0.15" in finding.cure for finding in findings)


def test_each_finding_says_where_and_what_to_do(
    made_trees: Mapping[str, Path], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(made_trees["closed"], tree)
    spoilers("closed")["shorter than 600 s"](tree / "closed" / "Example")
    done = submit("--check", tree)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "closed/Example/results/Two-core_machine/resnet50/SingleStream/performance/run_1/"
        "mlperf_log_detail.txt: 60000 milliseconds at least instead of 600000. Run it without "
        "--time.",
        "Check by the rules of v6.1: 1 finding.",
    ]
    assert not done.stderr


@pytest.mark.parametrize("division", DIVISIONS)
def test_tree_without_faults_has_no_findings(division: str, made_trees: Mapping[str, Path]) -> None:
    done = submit("--check", made_trees[division])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Check by the rules of v6.1: no findings.\n"


def test_path_that_is_no_tree_is_named(made_trees: Mapping[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    submitter = made_trees["open"] / "open" / "Example"
    for path, named in (
        (tmp_path, "is not a submission tree"),
        (tmp_path / "none", "none does not exist"),
        (file, "is a file"),
        (submitter.parent, f"give --check the whole, {made_trees['open']}"),
        (submitter, f"give --check the whole, {made_trees['open']}"),
    ):
        with pytest.raises(UsageError, match=re.escape(named)):
            list(check_tree(path, rules_version(VERSION)))


def test_missing_tree_is_one_line(tmp_path: Path) -> None:
    done = submit("--check", tmp_path / "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Error: {tmp_path}/none does not exist.\n"


@pytest.fixture
def spoiled(made_trees: Mapping[str, Path], tmp_path: Path) -> Callable[..., list[str]]:
    """What is said of a closed tree that was spoiled, with the verdict in the last line."""

    def said(*ways: Spoiler) -> list[str]:
        tree = tmp_path / "tree"
        shutil.copytree(made_trees["closed"], tree)
        for spoil in ways:
            spoil(tree / "closed" / "Example")
        console = Console(file=io.StringIO(), soft_wrap=True)
        status = check_and_report(tree, rules_version(VERSION), console)
        assert isinstance(console.file, io.StringIO)
        lines = console.file.getvalue().splitlines()
        assert status == (0 if "no findings" in lines[-1] else 3)
        return lines

    return said


def test_inferred_result_is_a_note(spoiled: Callable[..., list[str]]) -> None:
    """As most published results of MultiStream are."""
    line, verdict = spoiled(spoilers("closed")["MultiStream from SingleStream"])
    assert "note: MultiStream is inferred from a run of SingleStream" in line
    assert verdict == "Check by the rules of v6.1: no findings, 1 note."


@pytest.mark.parametrize("name", ["bert-99", "llama3_1-8b", "retinanet"])
def test_other_benchmark_is_named_and_not_checked(
    name: str, spoiled: Callable[..., list[str]]
) -> None:
    results = f"//results/{SYSTEM}"
    other = written(f"{results}/{name}/Server/performance/run_1/mlperf_log_detail.txt")
    line, verdict = spoiled(other)
    assert line == f"closed/Example/results: note: {name}: not this task, not checked."
    assert verdict.endswith("no findings, 1 note.")


def test_tree_of_other_benchmarks_alone_is_not_called_good(
    spoiled: Callable[..., list[str]],
) -> None:
    note, line, _ = spoiled(renamed_model("bert-99"))
    assert "bert-99: not this task" in note
    assert "no results of ResNet-50" in line


def test_network_division_is_not_for_this_task(spoiled: Callable[..., list[str]]) -> None:
    line, _ = spoiled(lambda submitter: _copy(submitter, "//../../network/Example"))
    assert line.startswith("network: the Network division, of the datacenter suite")
    assert "to the open division alone" in line


def test_network_division_of_another_task_is_a_note(spoiled: Callable[..., list[str]]) -> None:
    line, verdict = spoiled(written("//../../network/Example/results/A/bert-99/Server/README.md"))
    assert line == "network: note: the Network division, not this task, not checked."
    assert verdict.endswith("no findings, 1 note.")


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("older layout", "closed/Example: the layout of rounds before v6.0, with measurements and"),
        ("power files", "closed/Example/results: power files in 1 scenario"),
        ("folders of an older layout left over", "closed/Example/measurements: note: a folder of"),
        ("line that is a list", f"{DETAIL}: LoadGen left no readable detail log: line 62 is no"),
        (
            "duration as a text",
            f"{DETAIL}: LoadGen's entry effective_min_duration_ms is not a number",
        ),
    ],
)
def test_what_is_recognised_takes_one_line(
    kind: str, named: str, spoiled: Callable[..., list[str]]
) -> None:
    line, _ = spoiled(spoilers("closed")[kind])
    assert line.startswith(named)


def test_many_errors_are_counted(spoiled: Callable[..., list[str]]) -> None:
    errors = tuple(f"Sample {number}\nwas\x1b[31m lost." for number in range(90))
    *lines, last, _ = spoiled(logged("SingleStream", "performance/run_1", errors))
    assert len(lines) == 3
    assert lines[0].endswith("LoadGen logged an error: Sample 0 was\\x1b[31m lost. Run it again.")
    assert "87 more errors" in last


def test_names_that_are_no_text_are_shown(spoiled: Callable[..., list[str]]) -> None:
    def spoil(submitter: Path) -> None:
        (submitter / "src" / os.fsdecode(b".caf\xe9")).touch()

    line, _ = spoiled(spoil)
    assert line == "closed/Example/src/.caf\\udce9: a hidden file or folder. Remove it."


def _copy(submitter: Path, target: str) -> None:
    shutil.copytree(submitter, submitter / target.removeprefix("//"))
