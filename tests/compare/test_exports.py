"""Whatever failed, is missing or INVALID: finished rounds become a file of each kind."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mlperf_benchmark.compare.cell_process import CellRun
from mlperf_benchmark.compare.commands import measure
from mlperf_benchmark.compare.matrix import Matrix, Stopping, Variant
from mlperf_benchmark.compare.plan import Plan, make_plan
from mlperf_benchmark.compare.record import Comparison, read_comparison
from mlperf_benchmark.compare.store import Round, Store
from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.core.text import printable
from tests.command import MAIN, Run
from tests.compare.command import run_compare
from tests.compare.stored import FIXTURE, QUIET

ROUNDS = 6
NAMES = ("comparison.json", "results.md", "results.csv", "report.html")
STATES = ("good", "failed", "failed later", "INVALID", "once INVALID", "missing", "missing later")


def ending(state: str, number: int) -> str | None:
    """How the run of a cell ended in that round; None where there was none."""
    if state == "missing" or (state == "missing later" and number > 3):
        return None
    fails = {"failed": 1, "failed later": 4}.get(state, ROUNDS + 1)
    if number >= fails:
        return "failed" if number == fails else None
    invalid = state == "INVALID" or (state == "once INVALID" and number == 2)
    return "INVALID" if invalid else "VALID"


def plan_of(scenario: str, stopping: Stopping | None = None) -> Plan:
    variants = tuple(Variant(name, {"profile": "null"}) for name in ("base", "other"))
    stopping = stopping or Stopping(rounds=ROUNDS)
    return make_plan(Matrix("Two", variants, (scenario,), accuracy=False, stopping=stopping))


def finish_rounds(plan: Plan, states: Sequence[str], output: Path, template: Any) -> None:
    """Rounds as a comparison leaves them, made of the results.json of a real run."""
    store = Store(output)
    with store.open(plan, overwrite=False):
        for number in range(1, ROUNDS + 1):
            runs = {}
            for place, (cell, state) in enumerate(zip(plan.cells, states, strict=True)):
                end = ending(state, number)
                if end is None:
                    continue
                folder = store.folder(number, cell.key)
                folder.mkdir(parents=True)
                if end != "failed":
                    latency = dict.fromkeys(template["latency_ms"], 1.0 + place + number / 10)
                    reasons = ["too few queries"] if end == "INVALID" else []
                    changed = {"latency_ms": latency, "validity": end, "invalid_reasons": reasons}
                    (folder / "results.json").write_text(json.dumps(template | changed))
                failure = "it broke" if end == "failed" else None
                runs[cell.key] = CellRun(float(number), 1.0, failure, QUIET)
            (output / "rounds" / f"{number:04d}").mkdir(parents=True, exist_ok=True)
            store.finish(Round(number, runs))


def exported(plan: Plan, output: Path) -> tuple[Comparison, str]:
    """What compare.py makes of rounds that are all there, and what it prints."""
    file = io.StringIO()
    comparison = measure(plan, output, False, MAIN, Console(file=file, width=300))
    return comparison, file.getvalue()


@pytest.fixture(scope="session")
def template(null_run: Run) -> Any:
    """A results.json of a run of the null backend."""
    path = next((null_run.output / "rounds" / "0001").glob("*first*/results.json"))
    return json.loads(path.read_text())


@pytest.mark.parametrize("base", STATES)
def test_every_combination_of_endings_is_exported(base: str, template: Any, tmp_path: Path) -> None:
    for other in STATES:
        scenario = "Offline" if other == "good" else "SingleStream"
        states, plan, output = (base, other), plan_of(scenario), tmp_path / other
        finish_rounds(plan, states, output, template | {"scenario": scenario})
        comparison, text = exported(plan, output)
        for name in NAMES:
            assert f"Result: {output / name}\n" in text, states
        assert read_comparison(output / "comparison.json") == comparison
        _check_rows(comparison, states, output)
        _check_speedup(comparison, states)


def _check_rows(comparison: Comparison, states: Sequence[str], output: Path) -> None:
    with (output / "results.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    page, markdown = ((output / name).read_text() for name in ("report.html", "results.md"))
    for row, line, state in zip(comparison.rows, lines, states, strict=True):
        assert (row.failure == "it broke") == state.startswith("failed")
        assert ("INVALID" in line["validity"]) == ("INVALID" in state)
        assert (line["samples_per_second"] != "") == (
            state not in ("failed", "failed later", "missing")
        )
        for text in (page, markdown):
            assert row.name in text
            assert not row.failure or f"{row.name}, {row.scenario}: FAILED: it broke" in text


def _check_speedup(comparison: Comparison, states: Sequence[str]) -> None:
    """Of the rounds in which both were measured, and never of one that failed."""
    base, other = states
    counts = {"failed": 0, "missing": 0, "failed later": 3, "missing later": 3}
    expected = 0 if other.startswith("failed") else min(counts.get(one, ROUNDS) for one in states)
    row = comparison.rows[1]
    assert len(row.ratios) == expected
    told = [warning for warning in row.warnings if "before the baseline failed" in warning]
    assert len(told) == (base == "failed later" and expected > 0)


def test_one_form_that_cannot_be_made_costs_no_other(
    template: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, output = plan_of("SingleStream"), tmp_path / "out"
    finish_rounds(plan, ("good", "good"), output, template)
    (output / "report.html").write_text("of fewer rounds")

    def broken(_: Comparison) -> list[object]:
        raise StopIteration

    monkeypatch.setattr("mlperf_benchmark.compare.output.report.page.drawings", broken)
    with pytest.raises(RunError, match=r"report\.html could not be written: StopIteration\(\)"):
        exported(plan, output)
    assert not (output / "report.html").exists()
    monkeypatch.undo()
    assert len(read_comparison(output / "comparison.json").rows[1].ratios) == ROUNDS
    for name in NAMES[:3]:
        assert (output / name).is_file()
    exported(plan, output)
    assert (output / "report.html").is_file()


def test_a_file_that_is_in_the_way_costs_no_other(template: Any, tmp_path: Path) -> None:
    plan, output = plan_of("SingleStream"), tmp_path / "out"
    finish_rounds(plan, ("good", "good"), output, template)
    (output / "results.md").mkdir()
    with pytest.raises(RunError, match=r"results\.md could not be written: Cannot write to"):
        exported(plan, output)
    for name in ("comparison.json", "results.csv", "report.html"):
        assert (output / name).is_file()


def test_a_comparison_without_rows_is_shown(tmp_path: Path) -> None:
    content = json.loads(FIXTURE.read_text()) | {"rows": [], "order": []}
    (tmp_path / "empty.json").write_text(json.dumps(content))
    run = run_compare("show", tmp_path / "empty.json")
    assert (run.status, run.stderr) == (0, "")


def test_what_nodes_and_processes_say_is_text_in_every_form(template: Any, tmp_path: Path) -> None:
    said = "\x1b[31m[/x]\x1b[0m <script>\x07\x00 \x9b1m|a|\n![b](http://c) :x: \ud800 dir\\[x]"
    shown = "[/x] <script> |a| ![b](http://c) :x: \\ud800 dir\\[x]"
    backend = template["backend"] | {"name": said, "executed_precision": said}
    plan, output = plan_of("SingleStream"), tmp_path / "out"
    finish_rounds(
        plan, ("INVALID", "failed"), output, template | {"backend": backend, "warnings": [said]}
    )
    _, text = exported(plan, output)
    content = read_comparison(output / "comparison.json")
    assert content.rows[0].warnings[0] == said
    assert f"Warning: base, SingleStream: {shown}\n" in text
    assert f"backend {shown}" in text
    assert shown in (output / "results.csv").read_text()
    markdown = (output / "results.md").read_text()
    assert "\\<script> \\|a\\| ![b]\\(http://c)" in markdown
    page = (output / "report.html").read_text()
    assert "[/x] &lt;script&gt; |a|" in page
    for form in (text, markdown, page, (output / "results.csv").read_text()):
        assert all(printable(line) == line for line in form.splitlines())


@pytest.mark.parametrize(
    ("stopping", "reason"),
    [
        # The ratios of the rounds lie between 0.52 and 0.62.
        (Stopping(precision_goal=0.3), "every interval is within the precision goal of 30.0%"),
        (Stopping(precision_goal=0.01, max_time=1), "the max-time of 1 s is over"),
    ],
)
def test_rounds_that_are_enough_get_no_further_one(
    stopping: Stopping, reason: str, template: Any, tmp_path: Path
) -> None:
    plan = plan_of("SingleStream", stopping)
    finish_rounds(plan, ("good", "good"), tmp_path, template)
    comparison, said = exported(plan, tmp_path)
    assert comparison.stopped == reason
    assert len(comparison.order) == ROUNDS
    assert f"Stopped after {ROUNDS} rounds: {reason}." in said
