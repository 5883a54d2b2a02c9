"""Variants' answers beside the baseline's: accuracy with an interval, agreement, and the table."""

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from mlperf_benchmark.compare.accuracy import AccuracyOutcome
from mlperf_benchmark.compare.agreement import FLIPS, Agreement, agreement
from mlperf_benchmark.compare.answer_pairs import pair
from mlperf_benchmark.compare.columns import needed_columns
from mlperf_benchmark.compare.gate import BY_INTERVAL, OK, WORSE, Limits, judge
from mlperf_benchmark.compare.output.csv_file import render as render_csv
from mlperf_benchmark.compare.output.report.page import render as render_page
from mlperf_benchmark.compare.output.terminal import print_comparison
from mlperf_benchmark.compare.paired_accuracy import difference, pack, unpack
from mlperf_benchmark.compare.record import Comparison, Row, read_comparison
from mlperf_benchmark.compare.remarks import remarks
from mlperf_benchmark.run.answers import Answers, load_answers
from mlperf_benchmark.run.result import AccuracyResult
from tests.compare.stored import comparison_with, row_of, stored

BASE = [10.0, 10.1, 9.9, 10.05, 9.95, 10.0, 10.1, 9.9]
FAST = [value / 2 for value in BASE]


def answers(classes: list[int], labels: list[int] | None = None, **changes: Any) -> Answers:
    names = tuple(f"{place}.png" for place in range(len(classes)))
    found = Answers(np.array(classes), names, None if labels is None else np.array(labels))
    return dataclasses.replace(found, **changes)


def test_answers_are_written_and_read_whole(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).normal(size=(3, 10)).astype(np.float32)
    names = ("n\udcff.png", "b c/€.png", "n" * 300)
    given = answers([1, 2, 3], [1, 0, 3], names=names, scores=scores)
    given.write(tmp_path / "answers.npz")
    found = load_answers(tmp_path / "answers.npz")
    assert found.names == names
    assert found.right is not None
    assert found.right.tolist() == [True, False, True]
    assert found.scores is not None
    assert np.array_equal(found.scores, scores)
    assert found.same_images(given)
    answers([1]).write(tmp_path / "plain.npz")
    plain = load_answers(tmp_path / "plain.npz")
    assert (plain.labels, plain.scores, plain.right) == (None, None, None)


@pytest.mark.parametrize("spoil", ["empty", "text", "half", "damaged", "array"])
def test_a_file_that_holds_no_answers_is_refused(spoil: str, tmp_path: Path) -> None:
    file = tmp_path / "answers.npz"
    answers(list(range(1000))).write(file)
    content = file.read_bytes()
    middle = len(content) // 3
    damaged = content[:middle] + bytes(200) + content[middle + 200 :]
    spoilt = {"empty": b"", "text": b"{}", "half": content[:middle], "damaged": damaged}
    file.write_bytes(spoilt.get(spoil, b""))
    if spoil == "array":
        with file.open("wb") as opened:
            np.save(opened, np.zeros(3))
    with pytest.raises(ValueError):
        load_answers(file)


def test_agreement_by_hand() -> None:
    ours = np.array([[3, 4], [1, 0], [0, 2]], np.float32)
    base = np.array([[4, 3], [0, 1], [0, 5]], np.float32)
    found = agreement(
        answers([1, 0, 1], [1, 1, 1], scores=ours), answers([0, 1, 1], [1, 1, 1], scores=base), None
    )
    assert (found.same, found.total, found.cosine_images) == (1, 3, 3)
    # 24/25, 0 and 1.
    assert found.cosine == pytest.approx((0.96 + 0 + 1) / 3, abs=1e-6)
    assert [(flip.name, flip.answer, flip.baseline, flip.label) for flip in found.flipped] == [
        ("0.png", 1, 0, 1),
        ("1.png", 0, 1, 1),
    ]


def test_models_that_answer_classes_agree_without_a_cosine() -> None:
    scores = np.ones((2, 4), np.float32)
    other = np.ones((2, 5), np.float32)
    infinite = np.full((2, 4), -np.inf, np.float32)
    for ours in (None, other, infinite):
        found = agreement(answers([1, 2], scores=ours), answers([1, 2], scores=scores), None)
        assert (found.same, found.cosine, found.cosine_images) == (2, None, 0)


def test_the_list_of_flipped_images_is_bounded() -> None:
    found = agreement(answers([0] * 300), answers([1] * 300), None)
    assert (found.total - found.same, len(found.flipped)) == (300, FLIPS)


def outcome(found: Answers, run: str, note: str | None = None) -> AccuracyOutcome:
    return AccuracyOutcome(None, note, answers=found, run=run)


def test_answers_are_paired_on_the_same_images_alone() -> None:
    ours = answers([1, 2, 3, 0], [1, 2, 3, 4])
    base = answers([1, 0, 0, 4], [1, 2, 3, 4])
    pairs = pair(outcome(ours, "a"), outcome(base, "b"))
    assert pairs.difference is not None
    assert (pairs.difference.gained, pairs.difference.lost, pairs.difference.points) == (2, 1, 25)
    assert pairs.right_images is not None
    assert unpack(pairs.right_images, 4).tolist() == [True, True, True, False]
    random = pair(outcome(ours, "a"), outcome(answers([1, 0, 3, 0]), "b", "random weights"))
    assert random.difference is None
    assert random.agreement is not None
    assert (random.agreement.same, random.agreement.note) == (3, "not accuracy: random weights")
    for other in (answers([1, 2, 3]), answers([1] * 4, [1] * 4), answers([1] * 4, names=())):
        found = pair(outcome(ours, "a"), outcome(other, "b"))
        assert (found.difference, found.agreement) == (None, None)
    # Cells that differ in threads share a run, and have nothing to compare.
    assert pair(outcome(ours, "a"), outcome(base, "a")).agreement is None
    assert pair(AccuracyOutcome(None), outcome(base, "b")).right_images is None


def test_a_broken_variant_is_found_without_labels() -> None:
    """The same network with a twentieth of noise on its weights, and with other weights."""
    random = np.random.default_rng(3)
    images, weights = random.normal(size=(200, 64)), random.normal(size=(64, 100))

    def answered(weights: NDArray[np.float64]) -> Answers:
        scores = (images @ weights).astype(np.float32)
        return answers(list(scores.argmax(axis=1)), scores=scores)

    base = outcome(answered(weights), "base", "no labels")
    noisy = weights + random.normal(size=weights.shape) / 20
    near = pair(outcome(answered(noisy), "near", "no labels"), base)
    assert near.agreement is not None
    assert near.agreement.share > 0.9
    assert near.agreement.cosine == pytest.approx(1, abs=0.01)
    assert near.agreement.note == "not accuracy: no labels"
    assert near.warnings == []
    far = pair(outcome(answered(random.normal(size=weights.shape)), "far", "no labels"), base)
    assert far.agreement is not None
    assert far.agreement.share < 0.1
    assert abs(far.agreement.cosine or 0) < 0.1
    assert far.warnings[0].startswith(
        f"Only {far.agreement.same} of 200 answers are the baseline's"
    )


@pytest.mark.parametrize("images", [1, 7, 8, 9, 1000])
def test_right_images_are_a_bit_each(images: int) -> None:
    right = np.random.default_rng(images).integers(0, 2, images).astype(bool)
    assert np.array_equal(unpack(pack(right), images), right)
    with pytest.raises(ValueError, match="do not hold a bit for each"):
        unpack(pack(right), images + 8)
    with pytest.raises(ValueError, match="no base64"):
        unpack("!", images)


def accepted_and_now(lost: int, gained: int, told: bool = True) -> tuple[Comparison, Comparison]:
    """1000 images of which 760 were right before."""
    before = np.arange(1000) < 760
    now = before.copy()
    now[:lost] = False
    now[760 : 760 + gained] = True
    rows = [row_of("a", BASE, good=int(right.sum())) for right in (before, now)]
    if told:
        rows = [
            dataclasses.replace(row, right_images=pack(right))
            for row, right in zip(rows, (before, now), strict=True)
        ]
    return comparison_with(rows[0]), comparison_with(rows[1])


def accuracy_verdict(lost: int, gained: int, by: str, told: bool = True) -> tuple[str, str]:
    accepted, now = accepted_and_now(lost, gained, told)
    limits = Limits(slowdown=0.05, accuracy_drop=0.5, relative=False, accuracy_by=by)
    (verdict,) = (one for one in judge(now, accepted, limits).verdicts if one.subject == "accuracy")
    return verdict.status, verdict.message


def test_the_gate_judges_the_drop_or_its_interval() -> None:
    # By hand with McNemar: (20 - 10) / sqrt(30) is 1.8, so 20 lost and 10 gained show nothing.
    status, message = accuracy_verdict(20, 10, "point")
    assert status == WORSE
    assert message.startswith("-1.00 points [-2.2, +0.1] (760/1000 to 750/1000), limit -0.5")
    status, message = accuracy_verdict(20, 10, BY_INTERVAL)
    assert (status, message[-15:]) == (OK, "by the interval")
    # 40 lost and none gained: far below the limit on any images.
    assert [accuracy_verdict(40, 0, by)[0] for by in ("point", BY_INTERVAL)] == [WORSE, WORSE]
    assert [accuracy_verdict(5, 0, by)[0] for by in ("point", BY_INTERVAL)] == [OK, OK]


def test_records_that_do_not_tell_of_single_images_are_judged_by_the_point() -> None:
    status, message = accuracy_verdict(20, 10, BY_INTERVAL, told=False)
    assert status == WORSE
    assert "by the point: not both hold which images were answered right" in message
    accepted, now = accepted_and_now(20, 10)
    damaged = dataclasses.replace(accepted.rows[0], right_images="AAAA")
    limits = Limits(0.05, 0.5, relative=False, accuracy_by=BY_INTERVAL)
    verdicts = judge(now, comparison_with(damaged), limits).verdicts
    assert "by the point" in verdicts[1].message


def variant(name: str, gained: int, lost: int, **changes: Any) -> Row:
    good = 18 + gained - lost
    row = row_of(
        name,
        FAST,
        baseline=BASE,
        accuracy=AccuracyResult(5.0 * good, good, 20),
        accuracy_points=5.0 * (gained - lost),
        accuracy_difference=difference(gained, lost, 20),
        agreement=Agreement(20 - gained - lost, 20, 0.9981, 20, []),
    )
    return dataclasses.replace(row, **changes)


def shown() -> Comparison:
    warning = "every image is of the calibration"
    base = row_of("base", BASE, accuracy=AccuracyResult(90.0, 18, 20), accuracy_points=0.0)
    rows = [
        dataclasses.replace(base, warnings=[warning]),
        variant("efficientnet-lite0_pruned50_int8_of_long_name", 0, 1, warnings=[warning]),
        variant("broken", 0, 17, warnings=[warning, "and another"]),
    ]
    return comparison_with(*rows)


def test_what_answers_comes_first() -> None:
    columns, common = needed_columns(shown())
    assert [column.title for column in columns[:6]] == [
        *("Variant", "Speed-up [95 %]", "Top-1", "p50 ms", "Points [95 %]", "Agreement")
    ]
    texts = [[column.text(row) for column in columns[2:6]] for row in shown().rows]
    assert texts[0] == ["90.0 % (18/20)", "10.00", "0", "-"]
    assert texts[1] == [
        *("85.0 % (17/20)", "5.00", "-5.0 [-23.6, +11.9] no difference shown"),
        "19/20, cosine 0.998",
    ]
    assert texts[2][2:] == ["-85.0 [-94.8, -55.2]", "3/20, cosine 0.998"]
    assert "validity VALID" in common
    assert "scenario SingleStream" in common


def test_a_share_of_many_images_has_more_digits() -> None:
    row = variant("many", 0, 1, accuracy=AccuracyResult(76.1234, 38062, 50_000))
    row = dataclasses.replace(row, accuracy_difference=difference(20, 31, 50_000))
    columns, _ = needed_columns(comparison_with(shown().rows[0], row))
    assert columns[2].text(row) == "76.12 % (38062/50000)"
    assert columns[4].text(row) == "-5.00 [-0.05, +0.01] no difference shown"


def test_a_variant_that_failed_is_seen_in_the_table_all_the_same() -> None:
    failed = row_of("gone", BASE, baseline=BASE, failure="no file", subject=None, measurements=[])
    columns, _ = needed_columns(comparison_with(*shown().rows, failed))
    (validity,) = (column for column in columns if column.field == "validity")
    assert validity.text(failed) == "FAILED"


def test_rows_of_several_scenarios_name_theirs() -> None:
    columns, _ = needed_columns(stored())
    names = [columns[0].text(row) for row in stored().rows]
    assert names[0] == "one thread, SingleStream (baseline)"
    assert len(set(names)) == len(names)


def test_a_warning_that_rows_share_is_said_once() -> None:
    assert list(remarks(shown())) == [
        "All rows: every image is of the calibration",
        "broken, SingleStream: and another",
    ]
    some = comparison_with(shown().rows[1], shown().rows[2], variant("quiet", 0, 0))
    (first, _) = remarks(some)
    assert first == (
        "efficientnet-lite0_pruned50_int8_of_long_name, SingleStream / broken, SingleStream: "
        "every image is of the calibration"
    )


@pytest.mark.parametrize("comparison", [shown(), stored()])
def test_the_table_fits_120_columns_and_cuts_nothing(comparison: Comparison) -> None:
    file = io.StringIO()
    print_comparison(comparison, Console(file=file))
    lines = [line for line in file.getvalue().splitlines() if line[:1] in "┏┃┡│└"]
    assert max(map(len, lines)) <= 120
    assert "…" not in file.getvalue()
    assert len([line for line in lines if "Variant" in line]) <= 3


def test_every_form_tells_of_interval_and_agreement(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(shown()))))
    assert float(rows[1]["points_low"]) == pytest.approx(-23.6, abs=0.05)
    assert (rows[1]["agreement_percent"], rows[1]["cosine"]) == ("95.0", "0.9981")
    page = render_page(shown())
    assert "Agreement, SingleStream: " in page
    assert "85.0 % (17/20) at 5 latency p50, ms, points -5.0 [-23.6, +11.9]" in page
    file = tmp_path / "comparison.json"
    file.write_text(shown().to_json(), encoding="utf-8")
    assert read_comparison(file) == shown()
    assert json.loads(file.read_text())["rows"][1]["agreement"]["same"] == 19


def test_agreement_that_is_no_accuracy_says_so() -> None:
    row = variant("a", 0, 1, accuracy=None, accuracy_points=None, accuracy_difference=None)
    assert row.agreement is not None
    found = dataclasses.replace(row.agreement, note="not accuracy: random weights")
    base = row_of("base", BASE, accuracy_note="random weights", accuracy=None)
    row = dataclasses.replace(row, agreement=found, accuracy_note="random weights")
    comparison = comparison_with(base, row)
    columns, common = needed_columns(comparison)
    assert "Top-1" not in [column.title for column in columns]
    assert "top-1 random weights" in common
    file = io.StringIO()
    print_comparison(comparison, Console(file=file))
    assert "mean cosine of the scores (not accuracy: random weights)" in file.getvalue()
    assert "It is not accuracy: random weights." in render_page(comparison)
