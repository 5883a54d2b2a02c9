"""What is said of layers' errors: each sentence by its rule, and the advice."""

import csv
import io
import math
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import DatasetError, UsageError
from mlperf_benchmark.explain.layer_errors_mending import Mending, find_mending
from mlperf_benchmark.explain.layer_errors_options import check_accuracy_options, choose_images
from mlperf_benchmark.explain.layer_errors_record import Accuracy, VariantErrors
from mlperf_benchmark.explain.layer_errors_table import render_csv
from mlperf_benchmark.explain.layer_errors_words import advised_options, sentences
from mlperf_benchmark.models.optimize.layer_errors import PointError
from mlperf_benchmark.models.optimize.sensitive_layers import Answered, Restored
from tests.synthetic_images import jpeg

BAD = Answered(total=100, same=60, good=55, scores_sqnr_db=5.0)
MENDED = Answered(total=100, same=98, good=88, scores_sqnr_db=25.0)
POINTS = (
    PointError("/a/Conv", 0, "Convolution", True, 40.0, 0.99995, 40.0, None),
    PointError("/b/Conv", 1, "Convolution", True, 8.0, 0.9, 8.1, 40.0),
    PointError("/Add", 2, "Add", False, 14.0, 0.95, None, 8.0),
)
MENDING = Mending(
    (Restored(("/b/Conv",), MENDED), Restored(("/a/Conv",), BAD)),
    (Restored(("/b/Conv",), MENDED), Restored(("/b/Conv", "/a/Conv"), MENDED)),
    Restored(("/b/Conv",), MENDED),
)
ERRORS = VariantErrors(
    name="int8",
    model="models/int8.xml",
    points=POINTS,
    skipped=(),
    baseline_good=90,
    answered=BAD,
    note=None,
    is_quantized=True,
    is_pruned=False,
    kept_fp32=(),
    quantizer="nncf",
    mending=MENDING,
)


def said(errors: VariantErrors) -> str:
    return " ".join(sentences(errors))


def test_answers_then_where_the_error_enters_and_grows_then_the_option() -> None:
    assert sentences(ERRORS) == (
        "top-1 55/100 (baseline 90/100), 60/100 answers are the baseline's; scores: 5.0 dB.",
        "The error enters most at /b/Conv (8.1 dB), /a/Conv (40.0 dB): each fed with the baseline's"
        " own values.",
        "It grows most at /b/Conv: from 40.0 dB in what it reads to 8.0 dB.",
        "/b/Conv alone in FP32: 88/100 right instead of 55, 98 as the baseline instead of 60.",
        "Mend it with prepare.py … --keep-fp32 /b/Conv: 88/100 right instead of 55, 98 as the"
        " baseline instead of 60.",
    )


def test_without_labels_agreement_is_counted_and_said_why() -> None:
    unlabelled = Answered(100, 60, None, 5.0)
    text = said(replace(ERRORS, answered=unlabelled, baseline_good=None, note="the images are"))
    assert "60/100 answers are the baseline's (no top-1, as the images are)" in text
    assert "right" not in text.partition("alone in FP32")[0]


def test_layers_that_are_in_fp32_already_stay_in_the_advice() -> None:
    assert advised_options(replace(ERRORS, kept_fp32=("/fc/Gemm", "/b/Conv"))) == (
        "--keep-fp32 /fc/Gemm /b/Conv"
    )


def test_names_with_blanks_are_quoted() -> None:
    odd = replace(MENDING, advised=Restored(("my layer",), MENDED))
    assert advised_options(replace(ERRORS, mending=odd)) == "--keep-fp32 'my layer'"


def test_quantizer_that_leaves_less_in_fp32_is_named() -> None:
    last = sentences(replace(ERRORS, quantizer="onnxruntime"))[-1]
    assert last.startswith("With --quantizer onnxruntime less comes back")


def test_few_changed_answers_are_called_few() -> None:
    fine = Answered(total=100, same=96, good=90, scores_sqnr_db=20.0)
    assert "Few answers change; where even these matter: prepare.py … --keep-fp32 /b/Conv" in said(
        replace(ERRORS, answered=fine)
    )
    none = Answered(total=100, same=100, good=90, scores_sqnr_db=20.0)
    assert sentences(replace(ERRORS, answered=none))[-1] == (
        "No answer changes, so that nothing needs mending."
    )


def test_loss_that_few_layers_do_not_explain_is_called_spread() -> None:
    little = Answered(100, 70, 65, 7.0)
    spread = replace(MENDING, advised=Restored(("/b/Conv",), little))
    spread = replace(spread, together=(Restored(("/b/Conv", "/a/Conv"), little),))
    errors = replace(ERRORS, mending=spread)
    assert advised_options(errors) is None
    assert "spread over many layers: the worst 2 together in FP32 give 65/100" in said(errors)


def test_pruned_variant_gets_other_advice() -> None:
    errors = replace(ERRORS, is_pruned=True, skipped=("/c/Conv",), mending=Mending((), (), None))
    text = said(errors)
    assert "Not compared, as their shapes differ: 1 of 4 layers and sums (/c/Conv)." in text
    assert "prepare.py sensitivity" in text
    assert "give the pruned FP32 model as the baseline" in text
    assert "--keep-fp32" not in text
    assert "as the baseline to see" not in said(replace(errors, is_quantized=False))


def test_equal_models_have_nothing_to_mend() -> None:
    same = Answered(100, 100, 90, None)
    equal = tuple(replace(one, sqnr_db=None, own_sqnr_db=None) for one in POINTS)
    errors = replace(ERRORS, points=equal, answered=same, mending=Mending((), (), None))
    assert said(errors) == (
        "top-1 90/100 (baseline 90/100), 100/100 answers are the baseline's; scores: equal. No"
        " layer differs from the baseline's by more than rounding in float32."
    )


def test_fewest_layers_that_nearly_suffice_are_advised() -> None:
    """Two of three layers make all of the noise, which adds up."""
    noise = {"a": 0.1, "b": 0.2, "c": 0.001}

    def restore(names: Sequence[str]) -> Answered:
        left = sum(value for name, value in noise.items() if name not in names)
        return Answered(100, 50, None, -10 * math.log10(left) if left else None)

    mending = find_mending(("a", "b", "c"), restore(()), restore)
    assert [one.layers for one in mending.alone] == [("b",), ("a",), ("c",)]
    assert [one.layers for one in mending.together] == [("b",), ("b", "a"), ("b", "a", "c")]
    assert mending.advised is not None
    assert mending.advised.layers == ("b", "a")


def test_csv_has_a_line_a_layer() -> None:
    rows = list(
        csv.DictReader(io.StringIO(render_csv(Accuracy("fp32", 100, "x", None, (ERRORS,)))))
    )
    assert [row["name"] for row in rows] == ["/a/Conv", "/b/Conv", "/Add"]
    assert rows[1] == {
        **{"variant": "int8", "place": "1", "name": "/b/Conv", "kind": "Convolution"},
        **{"sqnr_db": "8.0", "cosine": "0.9", "own_sqnr_db": "8.1", "input_sqnr_db": "40.0"},
        **{"alone_same": "98", "alone_good": "88", "total": "100"},
    }
    assert rows[2]["own_sqnr_db"] == ""


def write_images(folder: Path, count: int) -> list[str]:
    names = [f"{number:02}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(jpeg(seed=number))
    return names


def options(**given: object) -> Namespace:
    names = ("dataset_path", "dataset_list", "count", "worst_layers")
    plain: dict[str, object] = dict.fromkeys(names)
    given = {"accuracy": True, "models": ["a", "b"], "cache_dir": Path("c"), **plain, **given}
    return Namespace(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": ["a"]}, "name two models"),
        ({"accuracy": False, "count": 3}, "--count applies to --accuracy only"),
        ({"accuracy": False, "worst_layers": 3}, "--worst-layers applies to --accuracy only"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_accuracy_options(options(**given))


def test_images_are_spread_over_the_list(tmp_path: Path) -> None:
    names = write_images(tmp_path, 10)
    (tmp_path / "val.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)))
    chosen = choose_images(options(dataset_path=tmp_path, count=4), "imagenet")
    assert chosen.has_labels
    assert chosen.dataset.config.samples is not None
    assert chosen.dataset.config.samples.labels == (0, 2, 5, 7)
    with pytest.raises(DatasetError, match="11 images were asked for"):
        choose_images(options(dataset_path=tmp_path, count=11), "imagenet")


def test_images_need_no_labels(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    chosen = choose_images(options(dataset_path=tmp_path), "imagenet")
    assert not chosen.has_labels
    assert chosen.dataset.config.count == 3


def test_images_that_are_missing_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--dataset-path DIR"):
        choose_images(options(), "imagenet")
    with pytest.raises(DatasetError, match="does not exist"):
        choose_images(options(dataset_path=tmp_path / "no"), "imagenet")
    with pytest.raises(DatasetError, match="holds no images"):
        choose_images(options(dataset_path=tmp_path), "imagenet")
    with pytest.raises(UsageError, match="--dataset or --profile"):
        choose_images(options(dataset_path=tmp_path), "synthetic")
