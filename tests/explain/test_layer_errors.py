"""Where errors of INT8 layers enter, and which layers in FP32 mend them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import Scores
from mlperf_benchmark.explain.layer_errors_mending import Mending, find_mending
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.optimize.config import QuantizationConfig
from mlperf_benchmark.models.optimize.layer_errors import (
    LayerErrors,
    PointError,
    measure_errors,
    scores_with,
)
from mlperf_benchmark.models.optimize.quantization import quantize
from mlperf_benchmark.models.optimize.sensitive_layers import Answered, count_answers
from tests.explain.nets import (
    LAYERS,
    SIDE,
    Net,
    graph,
    images,
    one_by_one,
    spoil,
    unbalanced,
)

PIXELS = images()
CONFIG = QuantizationConfig()


def by_name(errors: LayerErrors) -> dict[str, PointError]:
    return {point.name: point for point in errors.points}


def measured(baseline: ov.Model, variant: ov.Model) -> LayerErrors:
    return measure_errors(baseline, variant, partial(one_by_one, PIXELS))


def answers(
    baseline: ov.Model, variant: ov.Model, reference: Scores, names: Sequence[str] = ()
) -> Answered:
    scores = scores_with(baseline, variant, names, partial(one_by_one, PIXELS))
    return count_answers(scores, reference, None)


def mended(baseline: ov.Model, variant: ov.Model, errors: LayerErrors) -> Mending:
    restore = partial(answers, baseline, variant, errors.baseline_scores)
    worst = [point.name for point in errors.worst_layers(5)]
    return find_mending(worst, restore(), restore)


@pytest.fixture(scope="module")
def fp32() -> ov.Model:
    return graph(Net().eval())


@pytest.fixture(scope="module")
def int8(fp32: ov.Model) -> ov.Model:
    return quantize(fp32.clone(), PIXELS[:10], CONFIG, "mixed")


def outputs(model: ov.Model, name: str) -> np.ndarray:
    """What the node of that name gives for all images, asked for as an output of its own."""
    model = model.clone()
    (node,) = [one for one in model.get_ordered_ops() if one.friendly_name == name]
    model.add_outputs(node.output(0))
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate(
        [compiled(image).to_tuple()[-1] for image, _ in one_by_one(PIXELS)]
    ).astype(float)


def test_ratios_are_those_of_the_layers_outputs(fp32: ov.Model, int8: ov.Model) -> None:
    errors = by_name(measured(fp32, int8))
    assert tuple(errors) == ("/first/Conv", "/second/Conv", "/third/Conv", "/Add", LAYERS[-1])
    # The last bias is named as the scores are.
    for name, node in (("/second/Conv",) * 2, ("/Add",) * 2, ("/classifier/Gemm", "output")):
        exact, changed = outputs(fp32, node), outputs(int8, node)
        ratio = 10 * np.log10((exact**2).sum() / ((changed - exact) ** 2).sum())
        cosine = (exact * changed).sum() / np.sqrt((exact**2).sum() * (changed**2).sum())
        assert errors[name].sqnr_db == pytest.approx(ratio, abs=0.3)
        assert errors[name].cosine == pytest.approx(cosine, abs=1e-4)


def test_first_layer_has_all_its_error_of_its_own(fp32: ov.Model, int8: ov.Model) -> None:
    first = measured(fp32, int8).points[0]
    assert first.input_sqnr_db is None
    assert first.own_sqnr_db == pytest.approx(first.sqnr_db, abs=0.01)


def test_model_beside_itself_has_no_errors(fp32: ov.Model) -> None:
    errors = measured(fp32, fp32)
    assert {point.sqnr_db for point in errors.points} == {None}
    assert {point.cosine for point in errors.points} == {1.0}
    assert errors.worst_layers(5) == ()
    assert mended(fp32, fp32, errors).advised is None


@pytest.mark.parametrize("layer", LAYERS)
def test_the_one_spoiled_layer_is_found(fp32: ov.Model, int8: ov.Model, layer: str) -> None:
    """Wherever it is: an error that only passes through a later layer is not its own."""
    errors = measured(fp32, spoil(int8, layer, 0.1))
    worst, second, *_ = errors.worst_layers(5)
    assert worst.name == layer
    assert worst.own_sqnr_db is not None
    assert second.own_sqnr_db is not None
    assert worst.own_sqnr_db < second.own_sqnr_db - 10


@pytest.mark.parametrize("layer", LAYERS)
def test_the_spoiled_layer_in_fp32_brings_the_answers_back(
    fp32: ov.Model, int8: ov.Model, layer: str
) -> None:
    spoiled = spoil(int8, layer, 0.1)
    errors = measured(fp32, spoiled)
    reference = errors.baseline_scores
    before = answers(fp32, spoiled, reference)
    sound = answers(fp32, int8, reference)
    mending = mended(fp32, spoiled, errors)
    assert mending.advised is not None
    assert mending.advised.layers == (layer,)
    assert before.noise > 10 * sound.noise
    assert mending.advised.answered.changed <= sound.changed + 1


def test_advice_followed_restores_the_answers() -> None:
    """An outlier channel with one scale a tensor; the layer named is left in FP32 in earnest."""
    baseline = graph(unbalanced())
    variant = quantize(baseline.clone(), PIXELS[:10], CONFIG, "mixed")
    errors = measured(baseline, variant)
    mending = mended(baseline, variant, errors)
    assert errors.worst_layers(1)[0].name == "/third/Conv"
    assert mending.advised is not None
    assert mending.advised.layers == ("/third/Conv",)
    kept = QuantizationConfig(keep_fp32=mending.advised.layers)
    again = quantize(baseline.clone(), PIXELS[:10], kept, "mixed")
    before = answers(baseline, variant, errors.baseline_scores)
    after = answers(baseline, again, errors.baseline_scores)
    assert before.changed > 5
    assert after.changed <= 1
    assert abs(after.same - mending.advised.answered.same) <= 1


def test_names_of_an_onnx_file_are_those_of_the_ir(fp32: ov.Model, tmp_path: Path) -> None:
    qdq = quantize(export_onnx(Net().eval(), SIDE), PIXELS[:10], CONFIG, "mixed")
    file = tmp_path / "qdq.onnx"
    file.write_bytes(qdq.SerializeToString())
    errors = measured(fp32, ov.convert_model(file))
    assert tuple(by_name(errors)) == (
        "/first/Conv",
        "/second/Conv",
        "/third/Conv",
        "/Add",
        LAYERS[-1],
    )
    assert errors.skipped == ()
    assert all(20 < (point.own_sqnr_db or 0) < 90 for point in errors.points if point.is_layer)


def test_pruned_layers_are_named_and_the_others_compared(fp32: ov.Model) -> None:
    net = Net().eval()
    with torch.no_grad():
        kept = torch.arange(6)
        net.first.weight = torch.nn.Parameter(net.first.weight[kept])
        net.first.bias = torch.nn.Parameter(net.first.bias[kept])  # type: ignore[index]
        net.second.weight = torch.nn.Parameter(net.second.weight[:, kept])
    errors = measured(fp32, graph(net))
    assert errors.is_pruned
    assert errors.skipped == ("/first/Conv",)
    points = by_name(errors)
    assert tuple(points) == ("/second/Conv", "/third/Conv", "/Add", LAYERS[-1])
    assert points["/second/Conv"].place == 1
    assert points["/second/Conv"].own_sqnr_db is not None
    assert points["/third/Conv"].own_sqnr_db is None or points["/third/Conv"].own_sqnr_db > 90


def test_models_of_other_networks_are_refused(fp32: ov.Model) -> None:
    other = graph(Net().eval())
    for node in other.get_ordered_ops():
        node.set_friendly_name(f"other_{node.get_name()}")
    # Of the same structure: matched by order.
    assert len(measured(fp32, other).points) == 5
    plain = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 10)).eval()
    with pytest.raises(ModelError, match="variants of one network only"):
        measured(fp32, graph(plain))
