"""What a model file holds, as JSON beside it: `resnet50_int8.xml` has `resnet50_int8.xml.json`."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.files import Hashes
from mlperf_benchmark.core.preprocessing import ModelCard
from mlperf_benchmark.core.typed_json import check_schema, from_plain
from mlperf_benchmark.core.versions import installed_versions

SCHEMA = 1
TOOLS = ("torch", "torch-pruning", "onnx", "nncf", "openvino")


@dataclass(frozen=True)
class Weights:
    """Where the weights come from. `sha256` is None for random ones, `seed` for all others."""

    source: str
    sha256: str | None
    seed: int | None

    def __str__(self) -> str:
        if self.sha256 is None:
            return f"random (seed {self.seed})"
        return f"{self.source} (sha256 {self.sha256})"


@dataclass(frozen=True)
class Size:
    """Multiply-accumulates of convolutions and linear layers for one image; parameters."""

    gmacs: float
    parameters: int


@dataclass(frozen=True)
class Calibration:
    """The images that statistics were taken from.

    `list_sha256` is of the lines "sha256 bytes name", one an image, in the order of their use.
    Noise instead of images has no path and no list.
    """

    path: str | None
    count: int
    list_sha256: str | None
    seed: int


@dataclass(frozen=True)
class Latency:
    """`budget` of the unpruned model's latency was to be left; `reached` was measured, with its
    95 % interval from `low` to `high`.

    Medians in ms for one image, both models in turns, in the file format of `backend`, unquantized,
    computed in `precision`. `cpu` is None where the system does not tell.
    """

    budget: float
    reached: float
    low: float
    high: float
    ms: float
    unpruned_ms: float
    backend: str
    version: str
    threads: int
    precision: str
    cpu: str | None


@dataclass(frozen=True)
class Pruning:
    """`ratio` of the multiply-accumulates was to go, or with `latency` of the time of an inference;
    `reached` of the multiply-accumulates is gone.

    `batch_norm` are the images that batch-norm statistics were estimated anew on, and everything
    else that `method`, `scope` and reconstruction take from images. `gradients_from` is what
    gradients were taken towards, where they were: "labels", "own answers" of the unpruned model.
    `seconds` is how long all that took; None: older versions did not say.
    """

    method: str
    scope: str
    channels: str
    ratio: float
    reached: float
    round_to: int
    seed: int
    batch_norm: Calibration
    reconstruct: bool = False
    gradients_from: tuple[str, ...] = ()
    seconds: float | None = None
    latency: Latency | None = None


@dataclass(frozen=True)
class FineTuning:
    """Training by distillation that the weights went through after pruning."""

    checkpoint_sha256: str
    epochs: int
    batch_size: int
    learning_rate: float
    images: int
    seed: int


@dataclass(frozen=True)
class AccuracyControl:
    """How top-1 was kept within `max_drop` of FP32's, on the labelled images `validation`.

    `fp32_right` and `int8_right` are the images answered right, measured where the model was made;
    `reverted` are the convolutions and linear layers that went back to floating point.
    """

    max_drop: float
    validation: Calibration
    fp32_right: int
    int8_right: int
    reverted: tuple[str, ...]


@dataclass(frozen=True)
class Quantization:
    """Post-training quantization by the algorithm `quantizer`, whose tool `method` names.

    Without `accuracy_control` and `keep_fp32` every layer is in INT8. `calibration` is None where
    no images were used, for the weights alone. `fast_bias_correction` tells
    the fast one from the full one where there is `bias_correction`. The weights of
    `equalized_pairs` of layers were equalised before.
    """

    method: str
    preset: str
    range_estimator: str
    fast_bias_correction: bool
    overflow_fix: str
    calibration: Calibration | None
    accuracy_control: AccuracyControl | None
    quantizer: str = "nncf"
    bias_correction: bool = True
    keep_fp32: tuple[str, ...] = ()
    equalized_pairs: int = 0


@dataclass(frozen=True)
class Making:
    """What making the file took: seconds on the clock from the weights to the file, and the
    `images` that were looked at, once or more.
    """

    seconds: float
    images: int


@dataclass(frozen=True)
class ModelDescription:
    """One model file. `files` maps the names of the files that make it up to their sha256.

    `dataset` is the preprocessing of its images, None for a file of others where nobody said;
    `card` has the words of one of the user's own.
    """

    architecture: str
    weights: Weights
    dataset: str | None
    input_size: int
    precision: str
    size: Size
    unpruned_size: Size
    pruning: Pruning | None
    fine_tuning: FineTuning | None
    quantization: Quantization | None
    tools: Mapping[str, str]
    files: Mapping[str, str]
    schema: int = SCHEMA
    making: Making | None = None
    card: ModelCard | None = None

    @property
    def has_random_weights(self) -> bool:
        """Whether accuracy of this model means nothing."""
        return self.weights.sha256 is None


def tool_versions(further: Sequence[str] = ()) -> dict[str, str]:
    """Versions of the packages that make model files, and of `further` ones."""
    return installed_versions((*TOOLS, *further))


def description_path(model: Path) -> Path:
    """The description's place: beside the model file, so that variants share a folder."""
    return model.with_name(f"{model.name}.json")


def write_description(model: Path, description: ModelDescription) -> None:
    """Write `description` beside the model file `model`."""
    text = json.dumps(dataclasses.asdict(description), indent=2)
    description_path(model).write_text(text + "\n", encoding="utf-8")


def read_description(model: Path, hashes: Hashes | None = None) -> ModelDescription | None:
    """Read what stands beside `model`; None where nothing does.

    Raises ModelError where it is damaged, or where a file is not the described one any more.
    `hashes` are kept for who hashes the same files afterwards.
    """
    hashes = hashes or Hashes()
    path = description_path(model)
    advice = f"Prepare the model again, or delete {path.name}."
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        description = parse_description(content)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise ModelError(f"{path} is no model description: {error}. {advice}") from error
    for name, sha256 in description.files.items():
        file = model.with_name(name)
        if not file.is_file():
            raise ModelError(f"{file} is missing: {path.name} names it. {advice}")
        if hashes.of(file) != sha256:
            raise ModelError(f"{file} is not the file that {path.name} describes. {advice}")
    return description


def parse_description(content: Any) -> ModelDescription:
    """The reverse of `dataclasses.asdict`. Raises ValueError."""
    check_schema(content, SCHEMA)
    return from_plain(content, ModelDescription)
