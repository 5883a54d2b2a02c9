"""Each rule tells its loss, and nothing where there is none."""

import dataclasses

import pytest

from mlperf_benchmark.core.layer_profile import CONVERSION, DEPTHWISE, ELEMENTWISE, LINEAR
from mlperf_benchmark.explain.rules.registry import statements
from tests.explain.records import PEAKS, layer, told, variant

FP32 = variant("fp32", layer("conv1", 2.0), layer("conv2", 2.0))


def test_the_verdict_says_what_was_expected_possible_and_reached() -> None:
    """Half the MACs, of which memory lets a part of the gain through."""
    half = FP32.layers[0].macs // 2
    pruned = variant(
        "pruned",
        layer("conv1", 1.2, macs=half, bound_ms=0.5),
        layer("conv2", 1.3, macs=half, bound_ms=0.6),
    )
    assert told("verdict", FP32, pruned) == [
        "expected 2.00 × by multiply-accumulates, possible 1.82 × by the roofline, reached 1.60 ×"
    ]
    assert told("verdict", FP32) == []


def test_the_verdict_expects_nothing_of_models_without_multiply_accumulates() -> None:
    before = variant("fp32", layer("pool", 2.0, macs=0))
    after = variant("int8", layer("pool", 1.0, macs=0, bound_ms=0.5))
    assert told("verdict", before, after) == ["possible 2.00 × by the roofline, reached 2.00 ×"]
    other = variant("other", layer("softmax", 1.0, macs=0))
    assert told("verdict", before, other) == ["reached 2.00 ×"]


def test_the_verdict_comes_first_and_the_worst_loss_next() -> None:
    slow = variant(
        "slow",
        layer("conv1", 3.0),
        layer("conv2", 3.5),
        layer("(layout)", 0.5, kind=CONVERSION, origins=(), macs=0),
    )
    found = statements((FP32, slow), PEAKS)
    assert found[0].rule == "verdict"
    losses = [one.lost_ms for one in found[1:]]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) > 2


def test_operators_with_other_names_are_matched_by_what_they_multiply() -> None:
    """As an exporter's wrapper calls them; by name nothing would be possible to say."""
    wrapped = variant("wrapped", layer("net.conv1", 1.0, macs=10**8), layer("net.conv2", 2.0))
    plain = variant("plain", layer("conv1", 2.0, macs=10**8), layer("conv2", 2.0))
    (found,) = told("verdict", plain, wrapped)
    assert "possible 1.33 × by the roofline" in found
    assert told("not in the baseline", plain, wrapped) == []


def test_nothing_is_said_to_be_possible_where_the_layers_do_not_match() -> None:
    other = variant("other", *(layer(name, 1.0) for name in ("a", "b", "c")))
    (found,) = told("verdict", FP32, other)
    assert "possible" not in found
    assert len(told("not in the baseline", FP32, other)) == 1


def test_layers_that_the_runtime_added_are_told_where_they_are_slower() -> None:
    added = {"kind": ELEMENTWISE, "origins": (), "macs": 0}
    before = variant("fp32", layer("(normalisation)", 0.1, **added), layer("conv1", 2.0))
    after = variant("int8", layer("(normalisation)", 0.6, **added), layer("conv1", 2.0))
    (found,) = told("slower than the baseline", before, after)
    assert found.startswith("(normalisation) takes 0.600 ms")


def test_advice_that_another_variant_refutes_is_not_given() -> None:
    stem, rest = layer("conv1", 2.0), layer("conv2", 1.0, precision="int8")
    kept = variant("kept", stem, rest)
    assert len(told("stayed in floating point", FP32, kept)) == 1
    same = layer("conv1", 2.1, precision="int8", macs=stem.macs)
    slower = variant("slower", same, rest)
    (found,) = told("slower than the baseline", FP32, slower)
    assert 'prepare.py --keep-fp32 "/conv1/Conv"' in found
    assert told("stayed in floating point", FP32, slower, kept) == []
    behind = variant("behind", layer("conv1", 1.5, bound_ms=0.5), layer("conv2", 2.0))
    assert "--backend tvm" in told("falls behind", FP32, behind)[0]
    compiled = variant("tvm", *FP32.layers, backend="tvm")
    assert "--backend tvm" not in told("falls behind", FP32, behind, compiled)[0]


def test_channels_that_are_padded_to_the_vector() -> None:
    pruned = variant("pruned", layer("conv1", 1.0, output_channels=37), layer("conv2", 1.0))
    assert told("padded channels", FP32, pruned) == [
        "conv1: 0.229 ms lost: 37 channels run as 48. prune to multiples of 16: prepare.py "
        "--round-to 16"
    ]
    # What was so before is no difference; alone it is told.
    before = variant("before", layer("conv1", 1.0, output_channels=37), layer("conv2", 1.0))
    assert told("padded channels", before, pruned) == []
    assert len(told("padded channels", pruned)) == 1


def test_layers_that_stayed_in_floating_point() -> None:
    int8 = variant(
        "int8",
        layer("conv1", 0.5, precision="int8", bound_ms=0.25),
        layer("fc", 0.8, kind=LINEAR),
        layer("relu", 0.1, kind=ELEMENTWISE, macs=0),
    )
    found = told("stayed in floating point", FP32, int8)
    assert len(found) == 1
    assert found[0].startswith("fc stayed in FP32: up to 0.600 ms lost. quantize it as well")
    assert told("stayed in floating point", FP32, FP32) == []


def test_conversions_that_the_runtime_put_in() -> None:
    reorder = {"kind": CONVERSION, "origins": (), "macs": 0}
    int8 = variant(
        "int8", *FP32.layers, layer("to u8", 0.1, **reorder), layer("to f32", 0.2, **reorder)
    )
    (found,) = told("conversions", FP32, int8)
    assert found.startswith(
        "reorders and conversions add 0.300 ms in 2 layers; the largest is to f32, 0.200 ms"
    )
    assert told("conversions", int8, int8) == []


@pytest.mark.parametrize(
    ("kind", "bound_ms", "reason"),
    [
        (DEPTHWISE, 0.3, "depthwise convolutions wait for memory, not for arithmetic"),
        (DEPTHWISE, 0.1, "depthwise convolutions sum over no channels"),
        (ELEMENTWISE, 0.3, "elementwise layers wait for memory, not for arithmetic"),
        (ELEMENTWISE, 0.1, "elementwise layers have little arithmetic for their bytes"),
    ],
)
def test_layers_that_int8_cannot_make_four_times_faster(
    kind: str, bound_ms: float, reason: str
) -> None:
    facts = {"kind": kind, "macs": 1000, "executed_macs": 1000}
    before = variant("fp32", layer("dw", 1.0, bound_ms=0.8, **facts))
    small = {"input_bytes": 250, "weight_bytes": 250, "output_bytes": 250}
    int8 = variant("int8", layer("dw", 0.5, precision="int8", bound_ms=bound_ms, **facts, **small))
    (found,) = told("little arithmetic", before, int8)
    assert found.startswith(reason)
    assert found.endswith(
        ": INT8 moves 4.0 × fewer bytes but cannot make them 4.0 × faster; 1 of them take "
        "0.500 ms, 2.00 × faster than before"
    )
    assert told("little arithmetic", before, before) == []


def test_a_layer_slower_than_its_baseline() -> None:
    int8 = variant(
        "int8", layer("conv1", 2.5, precision="int8"), layer("conv2", 1.0, precision="int8")
    )
    assert told("slower than the baseline", FP32, int8) == [
        "conv1 takes 2.500 ms, 1.25 × the baseline's 2.000 ms. leave it in FP32: prepare.py "
        '--keep-fp32 "/conv1/Conv'
        '"'
    ]
    # Within what both vary it is no difference.
    close = variant("int8", layer("conv1", 2.05, precision="int8"), layer("conv2", 2.0))
    assert told("slower than the baseline", FP32, close) == []

    # Where the baseline is in INT8, too, FP32 is no way out.
    before = variant("openvino", *(layer(one, 1.0, precision="int8") for one in ("conv1", "conv2")))
    (found,) = told("slower than the baseline", before, int8)
    assert found.endswith("the baseline's 1.000 ms")


def test_operators_that_are_fused_in_the_baseline_only() -> None:
    unfused = variant("unfused", *FP32.layers, layer("relu", 0.2, kind=ELEMENTWISE))
    conv1, conv2 = FP32.layers
    fused = dataclasses.replace(conv1, origins=(*conv1.origins, "/relu/Relu"))
    baseline = variant("fp32", fused, conv2)
    assert told("not in the baseline", baseline, unfused) == []
    assert told("not fused", baseline, unfused) == [
        "operators that the baseline computes within another layer run by themselves: 1 of them "
        "take 0.200 ms, the longest, relu, 0.200 ms"
    ]
    assert told("not fused", unfused, baseline) == []
    assert told("not fused", unfused) == []


def test_operators_that_the_baseline_has_not_are_not_called_fused() -> None:
    other = variant("other", layer("a", 1.0), layer("b", 3.0))
    assert told("not fused", FP32, other) == []
    assert told("not in the baseline", FP32, other) == [
        "operators that no layer of the baseline is known to compute are compared with nothing: 2 "
        "of them take 4.000 ms, the longest, b, 3.000 ms"
    ]
    assert told("not in the baseline", FP32, FP32) == []


def test_kernels_that_are_not_optimized() -> None:
    slow = variant("slow", layer("conv1", 2.0), layer("topk", 0.3, kernel="ref_any", macs=0))
    (found,) = told("reference kernel", slow)
    assert found.startswith("topk runs in a kernel that is not optimized (ref_any): 0.300 ms")


def test_a_layer_that_falls_behind_its_roofline() -> None:
    pruned = variant("pruned", layer("conv1", 1.5, bound_ms=0.5), layer("conv2", 1.0, bound_ms=0.5))
    (found,) = told("falls behind", FP32, pruned)
    assert found.startswith(
        "conv1: 0.500 ms lost: it reaches 33% of its roofline, the baseline 50%"
    )
    both = variant("both", *(layer(name, 1.5, bound_ms=0.5) for name in ("conv1", "conv2")))
    (found,) = told("falls behind", FP32, both)
    assert found.startswith(
        "2 layers lose 1.000 ms: they reach 33% of their roofline, the baseline 50%; "
        "conv1 (0.500 ms), conv2 (0.500 ms)."
    )
    compiled = variant("tvm", *pruned.layers, backend="tvm")
    assert "--tune" in told("falls behind", FP32, compiled)[0]
