"""Top-1 and the hint at labels that are off by one."""

import numpy as np
import pytest

from mlperf_benchmark.run.accuracy import Accuracy, label_offset_hint, top1

LABELS = np.arange(0, 1000, 5)


def test_top1_counts() -> None:
    predictions = LABELS.copy()
    predictions[:20] += 3
    accuracy = top1(predictions, LABELS)
    assert accuracy == Accuracy(good=180, total=200)
    assert accuracy.top1 == 0.9


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS.reshape(2, 100), LABELS[:0]])
def test_top1_refuses_what_does_not_fit(labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="shape"):
        top1(LABELS if len(labels) else labels, labels)


@pytest.mark.parametrize("offset", [-1, 1])
def test_shifted_predictions_are_noticed(offset: int) -> None:
    """As a model of 1001 classes gives, whose class 0 is the background."""
    predictions = LABELS - offset
    predictions[:60] = 500
    assert label_offset_hint(predictions, LABELS) == offset


def test_no_hint_where_there_is_no_shift() -> None:
    right = LABELS.copy()
    random = np.random.default_rng(0).integers(0, 1000, LABELS.size)
    constant = np.full(LABELS.size, 4)
    one_class = np.full(50, 4)
    assert label_offset_hint(right, LABELS) is None
    assert label_offset_hint(random, LABELS) is None
    assert label_offset_hint(constant, LABELS) is None
    assert label_offset_hint(one_class, one_class + 1) is None
    assert label_offset_hint(LABELS[:1] + 1, LABELS[:1]) is None
