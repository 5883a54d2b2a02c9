"""Top-1 and the hint at labels that are off by one."""

import numpy as np
import pytest

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.loadgen.labels import top_labels
from mlperf_benchmark.run.accuracy import Accuracy, chance_of, label_offset_hint, top1
from mlperf_benchmark.run.warnings import chance_warning, same_answer_warning

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


@pytest.mark.parametrize(
    ("good", "total", "probability"),
    [
        (0, 20, 1.0),
        (1, 20, 0.019811),
        (2, 20, 0.000187),
        (18, 20, 0.0),
        (0, 1_000_000, 1.0),
        (50, 50_000, 0.518788),
        (90, 50_000, 2.256e-7),
        (38_000, 50_000, 0.0),
    ],
)
def test_chance_is_the_binomial_distributions(good: int, total: int, probability: float) -> None:
    assert chance_of(good, total, 1000) == pytest.approx(probability, rel=0.01, abs=1e-8)


def test_accuracy_that_chance_explains_is_doubtful() -> None:
    assert chance_warning(18, 20, 1000) == []
    assert chance_warning(38_000, 50_000, 1001) == []
    (warning,) = chance_warning(60, 50_000, 1000)
    assert warning.startswith("Top-1 60/50000 is no better than guessing among 1000 classes.")


def test_one_answer_to_all_images_is_doubtful() -> None:
    labels = np.array([3, 3, 7, 8])
    (warning,) = same_answer_warning(np.array([3, 3, 3, 3]), labels)
    assert "gave one answer, 3, to all 4 images" in warning
    assert same_answer_warning(np.array([3, 3, 3, 1]), labels) == []
    assert same_answer_warning(labels[:2], labels[:2]) == []


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_no_answer(score: float) -> None:
    scores = np.full((2, 1000), -np.inf if score < 0 else 0, np.float32)
    scores[0, 5] = 1
    scores[1, 7] = score
    with pytest.raises(InferenceError, match="NaN or infinite"):
        top_labels(scores, 0)
    assert top_labels(scores[:1], 0) == [5]
