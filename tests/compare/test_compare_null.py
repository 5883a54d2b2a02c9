"""A whole comparison: the harness alone twice, and a model that is damaged."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from mlperf_benchmark.compare.commands import compare
from mlperf_benchmark.compare.intervals import NO_DIFFERENCE
from mlperf_benchmark.compare.matrix_file import read_matrix
from mlperf_benchmark.compare.output.registry import export
from mlperf_benchmark.compare.plan import make_plan
from mlperf_benchmark.core.errors import UsageError
from tests.command import MAIN, Run, run_main
from tests.compare.command import comparison_of, run_compare
from tests.compare.stored import comparison_with, row_of

REASON = "damaged.xml"


def test_a_variant_that_fails_stops_no_other_and_counts_in_the_exit_status(null_run: Run) -> None:
    assert null_run.status == 1
    rows = {row.name: row for row in comparison_of(null_run).rows}
    assert rows["first"].failure is None
    assert len(rows["first"].measurements) == len(rows["second"].measurements) == 6
    assert rows["broken"].failure is not None
    assert REASON in rows["broken"].failure
    assert rows["broken"].measurements == []


@pytest.mark.parametrize("name", ["results.md", "results.csv", "comparison.json", "report.html"])
def test_every_file_names_the_variants_and_the_reason(null_run: Run, name: str) -> None:
    text = (null_run.output / name).read_text(encoding="utf-8")
    for part in ("first", "second", "broken", REASON, "impossible", "null has no INT8"):
        assert part in text


def test_the_terminal_shows_the_table_and_the_reason(null_run: Run) -> None:
    assert "Speed-up [95 %]" in null_run.stdout
    assert "FAILED" in null_run.stdout
    assert REASON in null_run.stdout
    assert null_run.stderr == ""


def test_what_is_not_run_has_a_row_that_says_why(null_run: Run) -> None:
    row = comparison_of(null_run).rows[-1]
    assert (row.name, row.not_run, row.failure) == ("impossible", "null has no INT8", None)
    assert row.measurements == []
    assert "impossible, SingleStream: not run: null has no INT8" in null_run.stdout


def test_ratios_are_taken_round_by_round(null_run: Run) -> None:
    rows = {row.name: row for row in comparison_of(null_run).rows}
    first, second = rows["first"], rows["second"]
    assert [run.round for run in second.measurements] == [1, 2, 3, 4, 5, 6]
    expected = [base / own for base, own in zip(first.figures, second.figures, strict=True)]
    assert second.ratios == pytest.approx(expected)
    speedup = second.speedup
    assert speedup is not None
    assert speedup.low is not None
    assert speedup.high is not None
    rounding = 1e-9
    assert min(second.ratios) - rounding <= speedup.low <= speedup.value <= speedup.high
    assert first.speedup is None


def test_every_round_ran_in_the_planned_order(null_run: Run, null_matrix: Path) -> None:
    plan = make_plan(read_matrix(null_matrix))
    for number in range(1, 7):
        folder = null_run.output / "rounds" / f"{number:04d}"
        runs = json.loads((folder / "round.json").read_text(encoding="utf-8"))
        planned = [cell.key for cell in plan.order(number) if cell.key in runs]
        started = sorted(runs, key=lambda key: runs[key]["started"])
        assert started == planned
        assert len(runs) == (3 if number == 1 else 2)


def test_the_csv_has_plain_numbers(null_run: Run) -> None:
    with (null_run.output / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["variant"]: row for row in csv.DictReader(file)}
    second = rows["second"]
    assert float(second["speedup_low"]) <= float(second["speedup"]) <= float(second["speedup_high"])
    assert float(second["latency_p50_ms"]) > 0
    assert second["rounds"] == "6"
    assert rows["broken"]["samples_per_second"] == ""
    assert REASON in rows["broken"]["failure"]


def test_markdown_keeps_the_table_whole(null_run: Run) -> None:
    lines = (null_run.output / "results.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == r"## Null \| \<twice>"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 6
    assert len({line.replace(r"\|", "").count("|") for line in table}) == 1


def test_accuracy_of_data_without_labels_is_not_claimed(null_run: Run) -> None:
    row = comparison_of(null_run).rows[0]
    assert (row.accuracy, row.accuracy_note) == (None, "no labels")


def test_the_command_of_a_row_reproduces_it(null_run: Run, tmp_path: Path) -> None:
    row = comparison_of(null_run).rows[0]
    assert row.command[:2] == ["python3", "main.py"]
    again = run_main(*row.command[2:], output=tmp_path / "again")
    assert again.status == 0
    file = next((null_run.output / "rounds" / "0001").glob("*first*/results.json"))
    measured = json.loads(file.read_text(encoding="utf-8"))
    differing = {"output", "overwrite"}
    assert {
        name: value for name, value in again.result["config"].items() if name not in differing
    } == {name: value for name, value in measured["config"].items() if name not in differing}
    assert again.result["queries"] == measured["queries"] == 200


def test_show_prints_it_again(null_run: Run) -> None:
    shown = run_compare("show", null_run.output / "comparison.json")
    assert shown.status == 0
    tables = [
        text[text.index("┏") : text.index("Medians")] for text in (shown.stdout, null_run.stdout)
    ]
    assert tables[0] == tables[1]


def test_gate_of_a_comparison_with_itself(null_run: Run, tmp_path: Path) -> None:
    results = null_run.output / "comparison.json"
    run = run_compare("check", results, "--against", results, "--junit", tmp_path / "junit.xml")
    assert run.status == 0
    assert "SKIPPED broken" in run.stdout


def test_the_folder_of_a_comparison_stands_for_its_record(null_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "now"
    folder.mkdir()
    shutil.copyfile(null_run.output / "comparison.json", folder / "comparison.json")
    assert run_compare("check", folder, "--against", null_run.output).status == 0
    assert (folder / "junit.xml").is_file()
    assert run_compare("show", folder).status == 0


def test_dry_run_prints_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    matrix = tmp_path / "m.toml"
    text = 'rounds = 10\n[run]\nprofile = "null"\ntime = 6\n[axes]\nthreads = [1, 2]\n'
    matrix.write_text(text, encoding="utf-8")
    run = run_compare(matrix, "--dry-run", output=tmp_path / "out")
    assert run.status == 0
    assert "main.py --profile null --time 6 --scenario SingleStream --threads 2" in run.stdout
    assert "10 rounds of 2 runs, about 20 s each, 3 min 20 s in all" in run.stdout
    assert not (tmp_path / "out").exists()


def test_max_time_ends_a_comparison(tmp_path: Path) -> None:
    matrix = tmp_path / "m.toml"
    text = (
        '[run]\nprofile = "null"\nqueries = 100\n[[variant]]\nname = "a"\n[[variant]]\nname = "b"\n'
    )
    matrix.write_text(text, encoding="utf-8")
    short = run_compare(matrix, "--max-time", 0.1, output=tmp_path / "short")
    assert len(comparison_of(short).order) == 1
    assert "max-time" in comparison_of(short).stopped


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Say what to compare"),
        (("--profile", "null", "--model", "a.xml"), "Say what to compare"),
        (("none.toml",), "No matrix file none.toml"),
        (("none.toml", "--queries", "5"), "--queries cannot stand beside none.toml"),
        (("--model", "a", "b", "--metric", "p51"), 'Unknown metric "p51"'),
        (("--model", "a", "b", "--rounds", "0"), '--rounds: "0" is not a whole number above 0'),
        (("--model", "a", "b", "--backend", "openvin"), 'Did you mean "openvino"?'),
        (("--model", "a", "b", "--bogus"), "Unrecognized arguments: --bogus"),
        (("--model", "a", "b", "--round", "2"), "--round. Did you mean --rounds?"),
        (("shwo", "comparison.json"), 'Did you mean "show"?'),
    ],
)
def test_bad_usage_is_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(UsageError) as caught:
        compare([*arguments, "--output", str(output)], MAIN, Console(quiet=True))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not output.exists()


def test_no_difference_is_said_where_the_interval_holds_1(tmp_path: Path) -> None:
    base = [10.0, 10.2] * 4
    export(
        comparison_with(
            row_of("baseline", base),
            row_of("equal", base[::-1], baseline=base),
            row_of("slower", [2 * latency for latency in base[::-1]], baseline=base),
            row_of("once", base[:1], baseline=base),
        ),
        tmp_path,
    )
    shown = run_compare("show", tmp_path / "comparison.json").stdout
    assert shown.count(NO_DIFFERENCE) == 1
    lines = (tmp_path / "results.md").read_text(encoding="utf-8").splitlines()
    [said] = [line for line in lines if NO_DIFFERENCE in line]
    assert "equal" in said


def test_missing_images_are_refused_before_the_first_run(tmp_path: Path) -> None:
    images = tmp_path / "none"
    run = run_compare(
        *("--profile", "null", "--dataset", "imagenet", "--dataset-path", images, "--queries", "9"),
        *("--max-batchsize", "1", "2", "--scenario", "Offline", "--rounds", "6"),
        output=tmp_path / "out",
    )
    assert run.status == 2
    assert f"there is no folder of images {images}; dataset_path names one." in run.error
    assert not run.output.exists()


def test_a_missing_model_is_refused_before_the_first_run(tmp_path: Path) -> None:
    model = tmp_path / "none.xml"
    run = run_compare(
        *("--profile", "pytorch-openvino", "--dataset", "synthetic", "--model", model),
        *("--threads", "1", "2", "--rounds", "6"),
        output=tmp_path / "out",
    )
    assert run.status == 2
    assert run.error == (
        f'Variant "none": there is no model {model}; prepare.py makes model files.'
    )
    assert run.left_nothing
