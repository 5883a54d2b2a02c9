"""What the table says of a row's answers."""

from mlperf_benchmark.compare.intervals import NO_DIFFERENCE
from mlperf_benchmark.compare.paired_accuracy import AccuracyDifference
from mlperf_benchmark.compare.record import Comparison, Row

NONE = "-"


def top1_text(row: Row) -> str:
    """Share and count, or why there is none."""
    if row.accuracy is None:
        return "failed" if row.accuracy_failed else row.accuracy_note or NONE
    share = f"{row.accuracy.top1:.{_digits(row.accuracy.total)}f}"
    return f"{share} % ({row.accuracy.good}/{row.accuracy.total})"


def points_text(row: Row) -> str:
    """Points above the baseline, interval and, where it shows none, that there is no difference."""
    if row.accuracy is None or row.accuracy_points is None:
        return NONE
    if row.baseline:
        return "0"
    points = f"{row.accuracy_points:+.{_digits(row.accuracy.total)}f}"
    difference = row.accuracy_difference
    if difference is None:
        return points
    text = f"{points} {points_interval(difference)}"
    return f"{text} {NO_DIFFERENCE}" if difference.verdict == NO_DIFFERENCE else text


def points_interval(difference: AccuracyDifference) -> str:
    """As [low, high]."""
    digits = _digits(difference.images)
    return f"[{difference.low:+.{digits}f}, {difference.high:+.{digits}f}]"


def agreement_text(row: Row) -> str:
    """On how many images the answer is the baseline's, and how alike the scores are."""
    found = row.agreement
    if found is None:
        return NONE
    cosine = "" if found.cosine is None else f", cosine {found.cosine:.3f}"
    return f"{found.same}/{found.total}{cosine}"


def accuracy_footnote(comparison: Comparison) -> str:
    """Where points and agreement come from; empty where there are none."""
    text = ""
    if any(row.accuracy_difference for row in comparison.rows):
        text += (
            " Points: percentage points of top-1 over the baseline, on the same images, with "
            "Tango's score interval for paired proportions."
        )
    found = [row.agreement for row in comparison.rows if row.agreement]
    if found:
        notes = {one.note: None for one in found if one.note}
        why = f" ({'; '.join(notes)})" if notes else ""
        text += (
            f" Agreement: images with the baseline's answer, and mean cosine of the scores{why}."
        )
    return text


def _digits(images: int) -> int:
    """Of a percentage: one image of 1000 is 0.1 %."""
    return 1 if images <= 1000 else 2
