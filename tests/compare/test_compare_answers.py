"""Real comparisons of variants that answer differently, with labels and without."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from mlperf_benchmark.compare.paired_accuracy import compare_answers, unpack
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.run.answers import load_answers
from tests.compare.command import comparison_of, run_compare
from tests.tiny_models import Tiny

# A few bits, so that some images flip and most do not.
LEVELS = 15


def coarse(model: Path, folder: Path) -> Path:
    """The same network, its weights rounded to a few levels for each output channel."""
    network = ov.Core().read_model(model)
    for constant in network.get_ops():
        if constant.get_type_name() != "Constant" or np.size(constant.get_data()) < 1000:
            continue
        weights = constant.get_data()
        largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
        scale = np.maximum(largest / LEVELS, 1e-12).astype(np.float32)
        rounded = ops.constant(np.round(weights / scale) * scale)
        constant.output(0).replace(rounded.output(0))
    path = folder / "coarse.xml"
    ov.save_model(network, path, compress_to_fp16=False)
    return path


def test_a_quantized_variant_is_judged_image_by_image(sample: Sample, tmp_path: Path) -> None:
    done = run_compare(
        *("--profile", "efficientnet-lite0-openvino", "--dataset-path", sample.images),
        *("--model", sample.model, coarse(sample.model, tmp_path)),
        *("--cache-dir", tmp_path / "cache", "--queries", 64, "--rounds", 1),
        output=tmp_path / "out",
    )
    assert done.status == 0, done.stderr
    base, variant = comparison_of(done).rows
    assert (base.accuracy_difference, base.agreement) == (None, None)
    difference, agreement = variant.accuracy_difference, variant.agreement
    assert difference is not None
    assert agreement is not None
    assert variant.accuracy is not None
    assert base.accuracy is not None
    rights = []
    for row in (base, variant):
        assert row.accuracy is not None
        assert row.right_images is not None
        rights.append(unpack(row.right_images, 20))
        assert rights[-1].sum() == row.accuracy.good
    assert difference == compare_answers(rights[1], rights[0])
    assert difference.gained - difference.lost == variant.accuracy.good - base.accuracy.good
    assert agreement.total - agreement.same == len(agreement.flipped) >= difference.lost
    assert agreement.cosine_images == 20
    assert 10 <= agreement.same < 20
    assert 0.5 < (agreement.cosine or 0) < 1
    for flip in agreement.flipped:
        assert flip.name is not None
        assert (sample.images / flip.name).is_file()
        assert flip.answer != flip.baseline
    assert f"{agreement.same}/20" in done.stdout


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("tiny")
    good, broken = Tiny(batch=-1), Tiny(batch=-1, seed=1)
    return [
        good.save(folder, "base"),
        Tiny(batch=-1, stored_as=ov.Type.f16).save(folder, "half"),
        broken.save(folder, "broken"),
    ]


def test_a_broken_variant_is_found_on_images_without_labels(
    models: list[Path], tmp_path: Path
) -> None:
    def again(*more: object) -> str:
        done = run_compare(
            *("--profile", "pytorch-openvino", "--dataset", "synthetic", "--count", 16),
            *("--model", *models, "--cache-dir", tmp_path / "cache"),
            *("--queries", 64, "--rounds", 1, *more),
            output=tmp_path / "out",
        )
        assert done.status == 0, done.stderr
        _, half, broken = comparison_of(done).rows
        assert {row.accuracy_note for row in comparison_of(done).rows} == {"no labels"}
        assert half.accuracy is None
        assert half.agreement is not None
        assert broken.agreement is not None
        assert half.agreement.note == "not accuracy: no labels"
        assert half.agreement.cosine == pytest.approx(1, abs=1e-3)
        assert broken.agreement.same < 8
        assert (broken.agreement.cosine or 0) < 0.5
        assert broken.agreement.flipped[0].name is None
        assert not any("are the baseline's" in warning for warning in half.warnings)
        assert any("one of the two is broken" in warning for warning in broken.warnings)
        return done.stdout

    assert again().count("Accuracy of") == 3
    answers = sorted((tmp_path / "cache" / "accuracy").iterdir())
    assert len(answers) == 3
    # Others come from the cache; an entry that holds no answers is measured again.
    answers[0].write_text('{"top1": 90.0, "good": 18, "total": 20}')
    assert again().count("Accuracy of") == 1
    assert len(load_answers(answers[0]).classes) == 16
    # Classes that are counted from another number are other answers.
    assert again("--labels-offset", 1, "--overwrite").count("Accuracy of") == 3
