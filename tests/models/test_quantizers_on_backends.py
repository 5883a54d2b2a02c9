"""Every quantizer's model runs on every backend that can take it; what cannot is named."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend import BACKENDS, Backend
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.images.transforms import PYTORCH
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.files.formats import BACKEND_FORMATS
from mlperf_benchmark.models.optimize.config import QUANTIZED, QUANTIZERS
from mlperf_benchmark.models.optimize.quantizers import rounding
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from tests.models.small_nets import register_small
from tests.test_backends import configuration

NO_TORCH = "precision int8 does not apply to pt files; --backend onnxruntime, openvino or tvm"
ONLY_OPENVINO = "--precision w8 is for OpenVINO's files"
REFUSED = {
    **{
        (name, backend): NO_TORCH
        for name in QUANTIZERS.names()
        for backend in ("torch", "inductor")
    },
    **{("weights-only", backend): ONLY_OPENVINO for backend in ("onnxruntime", "tvm")},
    **{("weights-only", backend): "precision w8 does not" for backend in ("torch", "inductor")},
}


def prepare(folder: Path, backend: str, *options: object) -> Path:
    words = [register_small(), "--weights", "random", "--backend", backend, "--output", folder]
    compilation = ("--batches", 1) if backend == "tvm" else ()
    return prepare_model(parse([str(word) for word in (*words, *compilation, *options)]))


def run(backend_name: str, model: Path) -> tuple[NDArray[np.float32], str]:
    """The scores, and what computed them."""
    kind: type[Backend] = BACKENDS.load(backend_name)
    backend = kind(configuration(model, image=PYTORCH.image))
    computes_in = backend.load().executed_precision
    images = noise(3)
    found = np.stack([backend.predict(one[None])[0].copy() for one in images])
    backend.close()
    return found, computes_in


def noise(count: int) -> NDArray[np.uint8]:
    """Images as those that random weights are calibrated with: ranges of others would clip them."""
    mean, std = PYTORCH.image.mean, PYTORCH.image.std
    values = np.random.default_rng(1).normal(mean, std, (count, 224, 224, 3))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    folder = tmp_path_factory.mktemp("fp32")
    return run("torch", prepare(folder, "torch"))[0]


@pytest.fixture(autouse=True)
def short_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that come out worse are rounded to nearest."""
    monkeypatch.setattr(rounding, "ITERATIONS", 10)


@pytest.mark.parametrize("backend", BACKEND_FORMATS)
@pytest.mark.parametrize("quantizer", QUANTIZERS.names())
def test_each_runs_or_is_refused_by_name(
    quantizer: str, backend: str, tmp_path: Path, expected: NDArray[np.float32]
) -> None:
    precision = QUANTIZERS.load(quantizer).precision
    options = ("--precision", precision, "--quantizer", quantizer, "--calibration-count", 8)
    if (quantizer, backend) in REFUSED:
        with pytest.raises(UsageError) as caught:
            prepare(tmp_path, backend, *options)
        assert REFUSED[quantizer, backend] in str(caught.value)
        assert not list(tmp_path.iterdir())
        return
    made = prepare(tmp_path, backend, *options)
    scores, computes_in = run(backend, made)
    assert 0.9 < np.corrcoef(scores.ravel(), expected.ravel())[0, 1] < 1 - 1e-9
    assert computes_in.startswith("int8" if precision == "int8" else "f32")
    description = read_description(made)
    assert description is not None
    assert description.precision == precision
    assert description.quantization is not None
    assert (description.quantization.calibration is None) == (precision == "w8")


def test_each_precision_has_a_quantizer_of_its_own() -> None:
    assert {QUANTIZERS.load(name).precision for name in QUANTIZERS.names()} == set(QUANTIZED)
    words = [register_small(), "--weights", "random", "--precision", "int8"]
    with pytest.raises(UsageError, match="weights-only makes --precision w8, not int8"):
        prepare_model(parse([*words, "--quantizer", "weights-only"]))
