"""Our check agrees with MLCommons' two checkers, whose verdicts are recorded, on spoiled trees."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlperf_benchmark.submit.checking.report import check_tree
from mlperf_benchmark.submit.rules import DIVISIONS, rules_version
from tests.submission.official_verdicts import VERDICTS, VERSION
from tests.submission.spoiling import spoilers
from tests.submission.trees import submit

RECORDED: Mapping[str, Mapping[str, Mapping[str, str]]] = json.loads(VERDICTS.read_text())
STRICTER = {
    "at most 5 s": "a maximum below 600 s ends the run before the minimum",
    "run of another scenario": "one scenario inferred from another was not measured",
    "unknown division": "MLCommons' checkers complain of it, too, and go on",
    "marked as a rehearsal": "somebody made it to try out",
    "no hash in accuracy.txt": "MLPerf's rules ask for it in the open division, too",
    "TEST01 without its settings": "a plain run is no compliance test",
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
    findings = [finding.line(tree) for finding in check_tree(tree, rules_version(VERSION))]
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


def test_folder_that_is_no_tree_is_refused(tmp_path: Path) -> None:
    done = submit("--check", tmp_path)
    assert done.returncode == 2
    assert "is no submission tree" in done.stderr
