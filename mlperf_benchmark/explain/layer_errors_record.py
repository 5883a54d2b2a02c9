"""What explain.json says of the accuracy of variants, layer by layer."""

from dataclasses import dataclass

from mlperf_benchmark.explain.layer_errors_mending import Answered, Mending
from mlperf_benchmark.models.optimize.layer_errors import PointError


@dataclass(frozen=True)
class VariantErrors:
    """One variant beside the baseline, on the same images.

    `points` are in the order of execution, `skipped` the baseline's layers and joins that the
    variant has in another shape or not at all. `baseline_good` are the images that the baseline
    answers right; None where labels mean nothing, which `note` says why. `kept_fp32` are layers
    that the variant was told to keep in FP32 when it was made, by `quantizer`, where that is known.
    `sentences` say what all that comes
    to, `options` are those of prepare.py that mend it, None where none do.
    """

    name: str
    model: str
    points: tuple[PointError, ...]
    skipped: tuple[str, ...]
    baseline_good: int | None
    answered: Answered
    note: str | None
    is_quantized: bool
    is_pruned: bool
    kept_fp32: tuple[str, ...]
    quantizer: str | None
    mending: Mending
    sentences: tuple[str, ...] = ()
    options: str | None = None


@dataclass(frozen=True)
class Accuracy:
    """`images` of the data set `dataset` in the folder `path`, answered by all. The models were run
    by OpenVINO, whatever runs them else.
    """

    baseline: str
    images: int
    dataset: str
    path: str | None
    variants: tuple[VariantErrors, ...]
