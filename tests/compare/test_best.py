"""The fastest variant in words, right by hand calculation, whatever is asked and left out."""

import dataclasses
import io
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mlperf_benchmark.compare.best import answers, sentences
from mlperf_benchmark.compare.commands import compare
from mlperf_benchmark.compare.matrix_file import read_matrix
from mlperf_benchmark.compare.output.registry import EXPORTERS
from mlperf_benchmark.compare.paired_accuracy import AccuracyDifference
from mlperf_benchmark.compare.record import Best, Comparison, Row
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.run.result import Memory
from tests.command import MAIN, Run
from tests.compare.command import comparison_of, run_compare
from tests.compare.stored import FIXTURE, comparison_with, row_of, stored

BASE = [37.0, 37.4, 37.0, 37.2, 37.0, 37.1]
GOOD = 760
"""Of 1000 images, by the baseline."""


def times_as_fast(ratio: float, name: str, good: int | None = GOOD, **changes: Any) -> Row:
    """A row whose ratio to BASE is `ratio` in every round."""
    latencies = [base / ratio for base in BASE]
    return row_of(name, latencies, baseline=BASE, good=good, **with_points(good), **changes)


def with_points(good: int | None) -> dict[str, Any]:
    return {"accuracy_points": None if good is None else round(100 * (good - GOOD) / 1000, 4)}


def base_row(good: int | None = GOOD, **changes: Any) -> Row:
    return row_of("FP32", BASE, good=good, **with_points(good), **changes)


def best(*rows: Row, constraint: str | None = None, metric: str | None = None) -> Best:
    (found,) = answers(comparison_with(*rows), constraint, metric)
    return found


def memory(megabytes: int) -> Memory:
    return Memory(10**8, megabytes * 10**6, 2 * 10**8, 3 * 10**8)


def test_the_sentence_of_a_stored_record_is_right_by_hand() -> None:
    rows = {row.name: row for row in stored().rows if row.scenario == "Offline"}
    one, two = rows["one thread"], rows["two threads"]
    ratios = [
        second.samples_per_second / first.samples_per_second
        for first, second in zip(one.measurements, two.measurements, strict=True)
    ]
    assert f"{statistics.median(ratios):.2f}" == "1.44"
    assert two.speedup is not None
    assert (two.speedup.low, two.speedup.high) == pytest.approx((1.20, 1.97), abs=0.005)
    assert one.accuracy is not None
    assert two.accuracy is not None
    assert two.accuracy.good - one.accuracy.good == 0
    assert sentences(stored())[1] == (
        "Fastest in Offline within 0.5 points of the baseline: two threads, 1.44 × [1.20, 1.97], "
        "+0.00 points. Left out: missing (FAILED)."
    )


def test_the_fastest_within_half_a_point_is_named_by_default() -> None:
    rows = (base_row(), times_as_fast(3.7, "TVM INT8", 759), times_as_fast(5, "pruned", 740))
    found = best(*rows)
    assert found.names == ["TVM INT8"]
    assert found.sentence == (
        "Fastest within 0.5 points of the baseline: TVM INT8, 3.70 × [3.70, 3.70], "
        "\N{MINUS SIGN}0.10 points."
    )
    assert (found.constraint, found.metric) == ("accuracy_drop <= 0.5", "p50")


def test_a_paired_difference_tells_its_interval() -> None:
    paired = AccuracyDifference(-0.1, -1.0, 0.8, gained=3, lost=4, images=1000)
    row = dataclasses.replace(times_as_fast(3.7, "TVM INT8", 759), accuracy_difference=paired)
    sentence = best(base_row(), row).sentence
    assert (
        "TVM INT8, 3.70 × [3.70, 3.70], \N{MINUS SIGN}0.10 points [\N{MINUS SIGN}1.00, +0.80]."
        in sentence
    )


def test_limits_hold_together() -> None:
    rows = (
        base_row(memory=memory(90)),
        times_as_fast(2, "small", 759, memory=memory(50)),
        times_as_fast(3, "large", 759, memory=memory(101)),
        times_as_fast(4, "wrong", 700, memory=memory(50)),
    )
    constraint = "accuracy_drop <= 0.5, memory_mb <= 100"
    found = best(*rows, constraint=constraint)
    assert found.names == ["small"]
    assert found.excluded == {}
    assert "Fastest within 0.5 points of the baseline with memory_mb <= 100: small" in (
        found.sentence
    )
    assert best(*rows, constraint="memory_mb < 101").names == ["wrong"]
    assert best(*rows, constraint="memory_mb >= 101").names == ["large"]
    assert best(*rows, constraint="none").names == ["wrong"]
    nothing = best(*rows, constraint="peak_mb <= 1, accuracy_drop <= 0.5")
    assert nothing.names == []
    assert nothing.sentence == (
        "There is no variant to name within 0.5 points of the baseline with peak_mb <= 1."
    )


def test_all_whose_intervals_overlap_share_the_first_place() -> None:
    spread = [35.0, 39.0, 36.5, 37.0, 38.0, 37.2]
    shaky = row_of("shaky", [ms / 3.6 for ms in spread], baseline=BASE, good=760)
    found = best(base_row(), shaky, times_as_fast(3.65, "steady"), times_as_fast(1.5, "slow"))
    assert set(found.names) == {"shaky", "steady"}
    assert "with intervals that overlap: " in found.sentence
    assert found.names[0] == "steady"


def test_the_baseline_may_be_the_fastest() -> None:
    found = best(base_row(), times_as_fast(0.8, "slow"))
    assert found.names == ["FP32"]
    assert found.sentence.endswith("baseline: FP32, the baseline.")


def test_too_few_rounds_have_no_interval() -> None:
    unknown = {"accuracy_points": None}
    base = row_of("FP32", BASE[:3], **unknown)
    rows = (base, row_of("INT8", [10.0] * 3, baseline=BASE[:3], **unknown))
    assert best(*rows).sentence == (
        "Fastest (accuracy not measured): INT8, 3.70 × (too few rounds for an interval)."
    )


def test_accuracy_that_cannot_be_compared_is_doubted() -> None:
    base = base_row(None, accuracy_failed=True)
    other = dataclasses.replace(times_as_fast(3.7, "INT8", 300), accuracy_points=None)
    assert best(base, other).sentence.startswith("Fastest (accuracy not compared): INT8, 3.70 ×")


def invalid(row: Row, rounds: int) -> Row:
    runs = [
        dataclasses.replace(run, validity="INVALID" if run.round <= rounds else "VALID")
        for run in row.measurements
    ]
    return dataclasses.replace(row, measurements=runs)


def test_what_cannot_be_judged_is_left_out_and_named() -> None:
    rows = (
        base_row(),
        times_as_fast(2, "fine"),
        times_as_fast(9, "broken", failure="it broke"),
        invalid(times_as_fast(8, "once INVALID"), 1),
        times_as_fast(7, "unknown", None, accuracy_note="random weights"),
        times_as_fast(6, "unanswered", None, accuracy_note="failed: ...", accuracy_failed=True),
    )
    found = best(*rows)
    assert found.names == ["fine"]
    assert found.excluded == {
        "broken": "FAILED",
        "once INVALID": "INVALID in 1 of 6 rounds",
        "unknown": "no accuracy: random weights",
        "unanswered": "no accuracy: its run failed",
    }
    assert found.sentence.endswith(
        " Left out: broken (FAILED), once INVALID (INVALID in 1 of 6 rounds), unknown (no accuracy:"
        " random weights), unanswered (no accuracy: its run failed)."
    )
    lacking = best(*rows[:2], constraint="memory_mb <= 100")
    assert lacking.excluded == {"FP32": "no memory_mb", "fine": "no memory_mb"}


def test_an_invalid_baseline_is_no_measure() -> None:
    found = best(invalid(base_row(), 2), times_as_fast(2, "fine"))
    assert found.names == []
    assert found.excluded["fine"] == "the baseline is INVALID in 2 of 6 rounds"


def test_each_rate_of_a_sweep_has_its_own_fastest() -> None:
    def at(qps: float, row: Row) -> Row:
        return dataclasses.replace(row, scenario="Server", sweep={"qps": qps})

    rows = [at(10, base_row()), at(10, times_as_fast(2, "INT8 at 10"))]
    rows += [at(100, base_row()), at(100, times_as_fast(0.5, "INT8 at 100"))]
    slow, busy = answers(comparison_with(*rows))
    assert slow.names == ["INT8 at 10"]
    assert busy.names == ["FP32"]
    assert busy.sentence == (
        "Fastest in Server at 100 queries/s within 0.5 points of the baseline: FP32, the baseline."
    )


def test_another_metric_is_compared_round_by_round() -> None:
    def tail(row: Row, factor: float) -> Row:
        runs = [
            dataclasses.replace(run, latency_ms=run.latency_ms | {"p99": base * factor})
            for run, base in zip(row.measurements, BASE, strict=True)
        ]
        return dataclasses.replace(row, measurements=runs)

    rows = (
        tail(base_row(), 1),
        tail(times_as_fast(4, "long tail"), 2),
        tail(times_as_fast(2, "even"), 0.5),
    )
    assert best(*rows).names == ["long tail"]
    found = best(*rows, metric="p99")
    assert found.sentence == (
        "Fastest by p99 within 0.5 points of the baseline: even, 2.00 × [2.00, 2.00], +0.00 points."
    )


@pytest.fixture(scope="module")
def asked() -> Comparison:
    comparison = comparison_with(base_row(), times_as_fast(3.7, "INT8 *", 759))
    return dataclasses.replace(comparison, best=answers(comparison, "speedup >= 2"))


def test_every_output_for_people_has_the_sentence(asked: Comparison, tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    file.write_text(asked.to_json(), encoding="utf-8")
    sentence = asked.best[0].sentence
    assert json.loads(file.read_text())["best"][0]["sentence"] == sentence
    shown = run_compare("show", file).stdout
    assert shown.index(sentence) < shown.index("Variant")
    page = EXPORTERS.load("report.html")(asked).replace("\N{NO-BREAK SPACE}", " ")
    assert page.index(sentence.replace(">", "&gt;")) < page.index("<table")
    markdown = EXPORTERS.load("results.md")(asked).replace("\\", "")
    assert markdown.index(f"**{sentence}**") < markdown.index("| Variant")
    assert "Fastest" not in EXPORTERS.load("results.csv")(asked)


def test_a_stored_record_is_asked_as_before_or_anew(asked: Comparison, tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    file.write_text(asked.to_json(), encoding="utf-8")
    assert run_compare("best", file).stdout.strip() == asked.best[0].sentence
    by = run_compare("best", file, "--best-by", "mean").stdout
    assert by.startswith("Fastest by mean with speedup >= 2: INT8 *")
    none = run_compare("best", file, "--best", "speedup >= 100")
    assert none.status == 1
    assert none.stdout.strip() == "There is no variant to name with speedup >= 100."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--best", "memori_mb <= 1"), 'Unknown figure in the constraint "memori_mb". Did you mean '
         '"memory_mb"?'),
        (("--best", "memory_mb = 1"), '"memory_mb = 1" is not a constraint; write'),
        (("--best", ""), '"" is not a constraint; write'),
        (("--best", "memory_mb <= 1 GB"), '"memory_mb <= 1 GB" is not a constraint; write'),
        (("--best", "memory_mb <= 1GB"), '"1GB" is not a number'),
        (("--best", "memory_mb <= nan"), '"nan" is not a number'),
        (("--best-by", "p98"), 'Unknown metric "p98". Did you mean "p99"?'),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compare(["best", str(FIXTURE), *arguments], MAIN, Console(file=io.StringIO()))
    assert message in str(caught.value)


def test_a_matrix_asks_and_is_checked_before_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "matrix.toml"
    variants = '[run]\nprofile = "null"\n[[variant]]\nname = "a"\n[[variant]]\nname = "b"\n'
    file.write_text('best = "memory_mb <= 100"\nbest_by = "p99"\n' + variants, encoding="utf-8")
    matrix = read_matrix(file)
    assert (matrix.best, matrix.best_by) == ("memory_mb <= 100", "p99")
    for key, value in (("best", "memory <= 100"), ("best_by", "memory_mb")):
        file.write_text(f'{key} = "{value}"\n{variants}', encoding="utf-8")
        with pytest.raises(UsageError, match=str(file)):
            read_matrix(file)


def test_a_finished_comparison_is_asked_again_without_a_run(
    null_run: Run, null_matrix: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(null_run.output, output)
    run = run_compare(null_matrix, "--best", "peak_mb >= 1", output=output)
    assert "Round 7" not in run.stdout
    (found,) = comparison_of(run).best
    assert found.constraint == "peak_mb >= 1"
    assert found.names
    assert found.excluded == {"broken": "FAILED"}
    assert found.sentence in run.stdout
    before = comparison_of(null_run)
    assert before.best[0].constraint == "none"
    for row in before.rows[:2]:
        assert row.memory is not None
        assert row.cold_start is not None
        runs = [run.memory.peak_bytes for run in row.measurements if run.memory is not None]
        assert row.memory.peak_bytes == int(statistics.median(runs))
