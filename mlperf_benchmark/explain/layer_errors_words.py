"""Sentences that summarise the errors of the layers, each produced by a rule."""

import shlex
from collections.abc import Iterator, Sequence

from mlperf_benchmark.explain.layer_errors_record import VariantErrors
from mlperf_benchmark.models.optimize.layer_errors import FLOAT_NOISE_DB, PointError
from mlperf_benchmark.models.optimize.sensitive_layers import Answered, Restored

NAMED = 3
SKIPPED_NAMED = 4
GROWS_BY_DB = 3.0
OUTPUTS_TOO = "onnxruntime"
"""The quantizer that also quantizes the outputs of layers, even if FP32 layers read them."""

FEW = 0.05
"""The fraction of answers that INT8 may change without any fault."""


def sentences(errors: VariantErrors) -> tuple[str, ...]:
    """Summarise the answers, then where the error enters and grows, then what reduces it."""
    return (
        _answers(errors),
        *_entering(errors.points),
        *_growing(errors.points),
        *_skipped(errors),
        *_mending(errors),
    )


def advised_options(errors: VariantErrors) -> str | None:
    """Return the prepare.py options that keep the worst layers in FP32, None if that is no cure."""
    advised = errors.mending.advised
    if advised is None or not errors.mending.is_cure(errors.answered):
        return None
    kept = dict.fromkeys((*errors.kept_fp32, *advised.layers))
    return shlex.join(["--keep-fp32", *kept])


def counted(answered: Answered, baseline_good: int | None) -> str:
    """Return top-1 in words if there are labels, otherwise the agreement with the baseline."""
    if answered.good is None or baseline_good is None:
        return f"{answered.same}/{answered.total} answers are the baseline's"
    return f"top-1 {answered.good}/{answered.total} (baseline {baseline_good}/{answered.total})"


def decibel(ratio: float | None) -> str:
    """Format an SQNR; None, which stands for no error, becomes "equal"."""
    return "equal" if ratio is None else f"{ratio:.1f} dB"


def _answers(errors: VariantErrors) -> str:
    answered = errors.answered
    text = counted(answered, errors.baseline_good)
    if answered.good is not None:
        text += f", {answered.same}/{answered.total} answers are the baseline's"
    why = f" (no top-1, as {errors.note})" if errors.note else ""
    return f"{text}{why}; scores: {decibel(answered.scores_sqnr_db)}."


def _entering(points: Sequence[PointError]) -> Iterator[str]:
    own = [(one.own_sqnr_db, one.name) for one in points if one.own_sqnr_db is not None]
    worst = [(ratio, name) for ratio, name in sorted(own) if ratio < FLOAT_NOISE_DB][:NAMED]
    if worst:
        named = ", ".join(f"{name} ({decibel(ratio)})" for ratio, name in worst)
        yield f"The error enters most at {named}: each fed with the baseline's own values."
    else:
        yield "No layer differs from the baseline's by more than rounding in float32."


def _growing(points: Sequence[PointError]) -> Iterator[str]:
    falls = [
        (one.input_sqnr_db - one.sqnr_db, one)
        for one in points
        if one.input_sqnr_db is not None
        and one.sqnr_db is not None
        and one.sqnr_db < FLOAT_NOISE_DB
    ]
    fall, point = max(falls, key=lambda one: one[0], default=(0.0, None))
    if point is not None and fall >= GROWS_BY_DB:
        yield (
            f"It grows most at {point.name}: from {decibel(point.input_sqnr_db)} in what it reads"
            f" to {decibel(point.sqnr_db)}."
        )


def _skipped(errors: VariantErrors) -> Iterator[str]:
    if errors.skipped:
        more = ", …" if len(errors.skipped) > SKIPPED_NAMED else ""
        yield (
            f"Not compared, as their shapes differ: {len(errors.skipped)} of"
            f" {len(errors.skipped) + len(errors.points)} layers and sums"
            f" ({', '.join(errors.skipped[:SKIPPED_NAMED])}{more})."
        )


def _mending(errors: VariantErrors) -> Iterator[str]:
    if errors.is_pruned:
        yield from _of_pruning(errors)
        return
    if not errors.mending.alone:
        return
    if not errors.answered.changed:
        yield "No answer changes, so that nothing needs mending."
        return
    best = errors.mending.alone[0]
    yield f"{best.layers[0]} alone in FP32: {_became(best, errors)}."
    options = advised_options(errors)
    advised = errors.mending.advised
    if options is not None and advised is not None:
        is_much = errors.answered.changed > FEW * errors.answered.total
        how = "Mend it with" if is_much else "Few answers change; where even these matter:"
        yield f"{how} prepare.py … {options}: {_became(advised, errors)}."
        if errors.quantizer == OUTPUTS_TOO:
            yield (
                f"With --quantizer {OUTPUTS_TOO} less comes back, as it still quantizes the outputs"
                " of INT8 layers: --quantizer nncf brings back all of it."
            )
    elif errors.answered.changed <= FEW * errors.answered.total:
        yield "Few answers change, and no layer makes up for them: nothing needs mending."
    else:
        together = errors.mending.together[-1]
        yield (
            f"The loss is spread over many layers: the worst {len(together.layers)} together in"
            f" FP32 give {_became(together, errors)}. Rather try more calibration images, another"
            " --quantizer or --range-estimator, or --max-drop."
        )


def _of_pruning(errors: VariantErrors) -> Iterator[str]:
    yield (
        "Channels are missing, which no layer in FP32 brings back: prepare.py sensitivity shows"
        " which layers miss theirs, --reconstruct and finetune.py win accuracy back."
    )
    if errors.is_quantized:
        yield (
            "Errors of pruning and of INT8 come together here: give the pruned FP32 model as the"
            " baseline to see those of INT8 alone."
        )


def _became(restored: Restored, errors: VariantErrors) -> str:
    before, after = errors.answered, restored.answered
    if after.good is not None and before.good is not None:
        return (
            f"{after.good}/{after.total} right instead of {before.good}, {after.same} as the"
            f" baseline instead of {before.same}"
        )
    return f"{after.same}/{after.total} as the baseline instead of {before.same}"
