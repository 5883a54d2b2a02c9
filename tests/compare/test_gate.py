"""compare.py check: what fails a change, and what does not."""

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mlperf_benchmark.compare.gate import NOT_JUDGED, SKIPPED, WORSE, Limits, judge
from mlperf_benchmark.compare.options import parse_check
from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.core.errors import UsageError
from tests.compare.command import run_compare
from tests.compare.stored import comparison_with, row_of

BASE = [10.0, 10.1, 9.9, 10.05, 9.95, 10.0, 10.1, 9.9]
LIMITS = Limits(slowdown=0.05, accuracy_drop=0.5, relative=False)


def accepted() -> Comparison:
    return comparison_with(row_of("fp32", BASE, good=760), row_of("int8", BASE, baseline=BASE))


def now(latencies: list[float], good: int = 760) -> Comparison:
    return comparison_with(
        row_of("fp32", latencies, good=good), row_of("int8", BASE, baseline=BASE)
    )


def write(comparison: Comparison, path: Path) -> Path:
    path.write_text(comparison.to_json(), encoding="utf-8")
    return path


def failed(current: Comparison, limits: Limits = LIMITS) -> list[tuple[str, str]]:
    report = judge(current, accepted(), limits)
    return [(one.name, one.subject) for one in report.verdicts if one.status == WORSE]


def test_the_same_figures_pass() -> None:
    assert failed(accepted()) == []


def test_ten_percent_slower_fails() -> None:
    assert failed(now([value * 1.1 for value in BASE])) == [("fp32", "speed")]


def test_ten_percent_slower_within_the_noise_passes() -> None:
    noisy = [8.0, 14.0, 9.0, 13.0, 11.0, 8.5, 12.0, 14.5]
    assert failed(now(noisy)) == []


def test_slower_than_before_but_within_the_limit_passes() -> None:
    slower = now([value * 1.03 for value in BASE])
    assert failed(slower) == []
    assert failed(slower, Limits(0.01, 0.5, relative=False)) == [("fp32", "speed")]


def test_faster_passes() -> None:
    assert failed(now([value * 0.5 for value in BASE])) == []


@pytest.mark.parametrize(("good", "names"), [(755, []), (754, [("fp32", "accuracy")])])
def test_accuracy_may_drop_by_as_much_as_is_allowed(good: int, names: list[object]) -> None:
    assert failed(now(BASE, good)) == names


def test_accuracy_of_other_images_does_not_compare() -> None:
    row = row_of("fp32", BASE, good=760)
    assert row.subject is not None
    other = dataclasses.replace(row.subject, dataset=row.subject.dataset | {"list_sha256": "0"})
    current = comparison_with(
        dataclasses.replace(row, subject=other), row_of("int8", BASE, baseline=BASE)
    )
    assert failed(current) == [("fp32", "accuracy")]


def test_a_variant_that_fails_or_is_missing_now_is_worse() -> None:
    broken = row_of("int8", BASE, baseline=BASE, failure="no such model")
    assert failed(comparison_with(row_of("fp32", BASE, good=760), broken)) == [("int8", "speed")]
    assert failed(comparison_with(row_of("fp32", BASE, good=760))) == [("int8", "speed")]


def test_a_variant_that_is_not_run_now_is_worse_and_one_that_was_not_is_skipped() -> None:
    first, second = comparison_with(
        row_of("fp32", BASE, good=760), row_of("int8", BASE, baseline=BASE)
    ).rows
    other = dataclasses.replace(second, measurements=[], not_run="no INT8")
    assert failed(comparison_with(first, other)) == [("int8", "speed")]
    report = judge(comparison_with(first, second), comparison_with(first, other), LIMITS)
    assert [one.name for one in report.verdicts if one.status == SKIPPED] == ["int8"]


def with_status(current: Comparison, status: str, limits: Limits = LIMITS) -> list[tuple[str, str]]:
    report = judge(current, accepted(), limits)
    return [(one.name, one.message) for one in report.verdicts if one.status == status]


def test_a_new_variant_is_skipped() -> None:
    current = comparison_with(*accepted().rows, row_of("new", BASE, baseline=BASE))
    assert [name for name, _ in with_status(current, SKIPPED)] == ["new"]
    report = judge(current, accepted(), LIMITS)
    assert report.is_judged
    assert not report.is_worse


def test_too_few_rounds_are_no_success() -> None:
    few = row_of("fp32", [30.0, 30.0, 30.0], good=760)
    current = comparison_with(few, row_of("int8", BASE, baseline=BASE))
    ((name, message),) = with_status(current, NOT_JUDGED)
    assert name == "fp32"
    assert "too few rounds to judge (3; 6 are needed)" in message
    assert not judge(current, accepted(), LIMITS).is_judged


def test_nothing_judged_is_no_success() -> None:
    """An empty comparison, one in which all had failed, and a baseline that stands alone."""
    failed_before = [
        dataclasses.replace(row, failure="no such model", measurements=[])
        for row in accepted().rows
    ]
    alone = comparison_with(row_of("fp32", BASE))
    for one, two, limits in (
        (accepted(), comparison_with(), LIMITS),
        (comparison_with(), comparison_with(), LIMITS),
        (accepted(), comparison_with(*failed_before), LIMITS),
        (alone, alone, Limits(0.05, 0.5, relative=True)),
    ):
        report = judge(one, two, limits)
        assert not report.is_judged
        assert "nothing was judged" in report.verdicts[-1].message


@pytest.mark.parametrize("rounds", [1, len(BASE)])
@pytest.mark.parametrize("now_invalid", [True, False])
@pytest.mark.parametrize("relative", [True, False])
def test_rows_with_invalid_runs_are_not_judged(
    rounds: int, now_invalid: bool, relative: bool
) -> None:
    row = row_of("fp32", BASE, good=760)
    runs = [
        dataclasses.replace(run, validity="INVALID" if run.round <= rounds else "VALID")
        for run in row.measurements
    ]
    invalid = comparison_with(
        dataclasses.replace(row, measurements=runs), row_of("int8", BASE, baseline=BASE)
    )
    sides = (invalid, accepted()) if now_invalid else (accepted(), invalid)
    report = judge(*sides, Limits(0.05, 0.5, relative=relative))
    assert [one.name for one in report.verdicts if one.status == NOT_JUDGED] == ["fp32"]
    when = "now" if now_invalid else "before"
    assert f"INVALID in {rounds} of {len(BASE)} rounds {when}" in report.verdicts[0].message


def test_invalid_runs_that_are_slower_are_worse() -> None:
    row = row_of("fp32", [value * 2 for value in BASE], good=760)
    runs = [dataclasses.replace(run, validity="INVALID") for run in row.measurements]
    current = comparison_with(
        dataclasses.replace(row, measurements=runs), row_of("int8", BASE, baseline=BASE)
    )
    assert failed(current) == [("fp32", "speed")]


def test_speedups_over_different_baselines_do_not_compare() -> None:
    current = comparison_with(
        row_of("int8", BASE), row_of("fp32", [value * 2 for value in BASE], baseline=BASE, good=760)
    )
    found = with_status(current, NOT_JUDGED, Limits(0.05, 0.5, relative=True))
    assert [name for name, _ in found] == ["fp32", "int8"]
    assert "speed-ups over int8 and over fp32 do not compare" in found[0][1]


def test_accuracy_that_is_new_is_skipped() -> None:
    current = comparison_with(*accepted().rows[:1], row_of("int8", BASE, baseline=BASE, good=700))
    (skipped,) = with_status(current, SKIPPED)
    assert skipped == ("int8", "was not measured before, nothing to judge it by")


def test_relative_forgives_a_machine_that_is_slower_as_a_whole() -> None:
    slow = [value * 2 for value in BASE]
    whole = comparison_with(row_of("fp32", slow, good=760), row_of("int8", slow, baseline=slow))
    assert failed(whole) == [("fp32", "speed"), ("int8", "speed")]
    relative = Limits(0.05, 0.5, relative=True)
    assert failed(whole, relative) == []
    one = comparison_with(row_of("fp32", BASE, good=760), row_of("int8", slow, baseline=BASE))
    assert failed(one, relative) == [("int8", "speed")]


def test_another_machine_is_remarked() -> None:
    other = comparison_with(*accepted().rows, system={"cpu_model": "another"})
    assert "different machines (cpu_model)" in judge(other, accepted(), LIMITS).remarks[0]
    assert judge(other, accepted(), Limits(0.05, 0.5, relative=True)).remarks == []


def test_turns_on_one_side_alone_are_remarked() -> None:
    turns = dataclasses.replace(accepted(), queries_per_turn=4)
    (remark,) = judge(turns, accepted(), LIMITS).remarks
    assert remark == "the two were measured differently, with 4 and no queries_per_turn."
    assert judge(turns, turns, LIMITS).remarks == []


def test_other_settings_are_named() -> None:
    row = row_of("fp32", BASE, good=760)
    subject = row.subject
    assert subject is not None
    assert subject.model is not None
    description = subject.model["description"] | {"precision": "int8"}
    changed = dataclasses.replace(
        row,
        command=[*row.command, "--max-batchsize", "4", "--cache-dir", "elsewhere"],
        subject=dataclasses.replace(
            subject,
            backend=subject.backend | {"executed_precision": "bf16", "threads": 2},
            model=subject.model | {"description": description, "path": "elsewhere.xml"},
        ),
    )
    changed.command[changed.command.index("--threads") + 1] = "2"
    (remark,) = judge(comparison_with(changed, accepted().rows[1]), accepted(), LIMITS).remarks
    assert remark == (
        "other settings, now and before, of fp32, SingleStream: executed precision bf16 and f32; "
        "threads 2 and 1; model's precision int8 and fp32; --max-batchsize 4 and none."
    )
    both = comparison_with(changed, dataclasses.replace(changed, name="int8"))
    (remark,) = judge(both, accepted(), LIMITS).remarks
    assert "of fp32, SingleStream / int8, SingleStream: executed" in remark


def test_what_others_say_is_text_in_the_terminal_and_in_junit(tmp_path: Path) -> None:
    said = "\x1b[31m[/x] <b>\x07\x00 :x: \ud800"
    broken = row_of("int8 [/x]", BASE, baseline=BASE, failure=said)
    base = comparison_with(row_of("fp32", BASE), row_of("int8 [/x]", BASE, baseline=BASE))
    file = tmp_path / "comparison.json"
    content = comparison_with(row_of("fp32", BASE), broken).to_json()
    file.write_text(content, encoding="utf-8", errors="backslashreplace")
    run = run_compare("check", file, "--against", write(base, tmp_path / "base.json"))
    assert run.status == 1
    expected = "fails now: [/x] <b> :x: \\ud800"
    assert f"WORSE int8 [/x], SingleStream, speed: {expected}\n" in run.stdout
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert [case.get("message") for case in suite.iter("failure")] == [expected]


@pytest.mark.parametrize("case", ["too few rounds", "INVALID", "empty"])
def test_the_command_does_not_pass_what_it_could_not_judge(case: str, tmp_path: Path) -> None:
    rows = {
        "too few rounds": [row_of("fp32", BASE[:3])],
        "INVALID": [
            dataclasses.replace(
                row_of("fp32", BASE),
                measurements=[
                    dataclasses.replace(run, validity="INVALID")
                    for run in row_of("fp32", BASE).measurements
                ],
            )
        ],
        "empty": [],
    }[case]
    base = write(comparison_with(*rows), tmp_path / "base.json")
    run = run_compare("check", base, "--against", base)
    assert run.status == 3
    assert "NOT JUDGED" in run.stdout
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    assert len(list(suite.iter("error"))) == 1


def test_the_command_says_what_and_by_how_much_and_writes_junit(tmp_path: Path) -> None:
    base = write(accepted(), tmp_path / "base.json")
    worse = write(now([value * 1.1 for value in BASE], good=700), tmp_path / "comparison.json")
    run = run_compare("check", worse, "--against", base, "--max-slowdown", "5%")
    assert run.status == 1
    lines = [line for line in run.stdout.splitlines() if line.startswith("WORSE")]
    assert len(lines) == 2
    assert lines[0].startswith("WORSE fp32, SingleStream, speed: p50 +10.0% time [+")
    assert "-6.00 points (760/1000 to 700/1000)" in lines[1]
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    failures = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failures == ["fp32: speed", "fp32: accuracy"]


def test_the_command_passes_what_did_not_change(tmp_path: Path) -> None:
    base = write(accepted(), tmp_path / "base.json")
    junit = tmp_path / "reports" / "gate.xml"
    run = run_compare("check", base, "--against", base, "--junit", junit)
    assert run.status == 0
    assert "WORSE" not in run.stdout
    assert ElementTree.parse(junit).getroot().get("failures") == "0"


@pytest.mark.parametrize("text", ["5", "much", "nan"])
def test_a_slowdown_that_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a share.*; write"):
        parse_check(["a", "--against", "b", "--max-slowdown", text])


@pytest.mark.parametrize("text", ["0.5%", "-1", "nan", "101", "few"])
def test_a_drop_that_is_no_number_of_points_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a number of percentage points.*; write 0.5"):
        parse_check(["a", "--against", "b", f"--max-accuracy-drop={text}"])
