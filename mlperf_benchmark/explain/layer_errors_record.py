"""The part of explain.json that describes the variants' accuracy, layer by layer."""

from dataclasses import dataclass

from mlperf_benchmark.explain.layer_errors_mending import Mending
from mlperf_benchmark.models.optimize.layer_errors import PointError
from mlperf_benchmark.models.optimize.sensitive_layers import Answered


@dataclass(frozen=True)
class VariantErrors:
    """One variant compared with the baseline on the same images.

    `points` are in execution order. `skipped` names the baseline's layers and joins that the
    variant lacks or computes in another shape. `baseline_good` is how many images the baseline
    answers right; it is None if labels are missing or meaningless, and `note` then says why.
    `kept_fp32` names the layers that the variant's `quantizer` was told to keep in FP32; both come
    from the model description. `sentences` summarise the findings. `options` are the prepare.py
    options that reduce the error, or None if no options do.
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
    """The errors of all variants on the `images` images of `dataset` in the folder `path`.

    OpenVINO ran all models, whichever backend they are meant for.
    """

    baseline: str
    images: int
    dataset: str
    path: str | None
    variants: tuple[VariantErrors, ...]
