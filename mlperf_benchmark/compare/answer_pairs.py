"""A variant's answers beside the baseline's, image by image."""

from dataclasses import dataclass, field

from mlperf_benchmark.compare.accuracy import AccuracyOutcome
from mlperf_benchmark.compare.agreement import Agreement, agreement
from mlperf_benchmark.compare.paired_accuracy import AccuracyDifference, compare_answers, pack

# Two models that are right on most images agree on most.
SUSPICIOUS = 0.5


@dataclass(frozen=True)
class AnswerPairs:
    """The fields of a record.Row that come from answers."""

    right_images: str | None = None
    difference: AccuracyDifference | None = None
    agreement: Agreement | None = None
    warnings: list[str] = field(default_factory=list)


def pair(outcome: AccuracyOutcome, baseline: AccuracyOutcome) -> AnswerPairs:
    """What the answers say, and how they differ from the baseline's where both can be paired."""
    ours, base = outcome.answers, baseline.answers
    if ours is None:
        return AnswerPairs()
    right_images = None if ours.right is None else pack(ours.right)
    if base is None or outcome.run == baseline.run or not ours.same_images(base):
        return AnswerPairs(right_images)
    why = outcome.note or baseline.note
    found = agreement(ours, base, None if why is None else f"not accuracy: {why}")
    difference = None
    if ours.right is not None and base.right is not None:
        difference = compare_answers(ours.right, base.right)
    return AnswerPairs(right_images, difference, found, _warnings(found))


def _warnings(found: Agreement) -> list[str]:
    if found.share >= SUSPICIOUS:
        return []
    return [
        f"Only {found.same} of {found.total} answers are the baseline's: one of the two is broken, "
        "or they are different networks. comparison.json lists images that flipped."
    ]
