"""The description of a model file as JSON beside it: `resnet50_int8.xml.json`."""

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
    """The origin of the weights. `sha256` is None for random weights, `seed` for all others."""

    source: str
    sha256: str | None
    seed: int | None

    def __str__(self) -> str:
        if self.sha256 is None:
            return f"random (seed {self.seed})"
        return f"{self.source} (sha256 {self.sha256})"


@dataclass(frozen=True)
class Size:
    """Multiply-accumulates of convolutions and linear layers for one image, and parameters."""

    gmacs: float
    parameters: int


@dataclass(frozen=True)
class Calibration:
    """The images that statistics were taken from.

    `list_sha256` is the hash of the lines "sha256 bytes name", one per image in the order of use.
    Noise has neither path nor list.
    """

    path: str | None
    count: int
    list_sha256: str | None
    seed: int


@dataclass(frozen=True)
class Latency:
    """`budget` is the fraction of the unpruned model's latency to be left, `reached` the measured
    one, with its 95 % interval from `low` to `high`.

    Times are medians in ms for one image. Both models were timed in turns, unquantized, in the file
    format of `backend`, and computed in `precision`. `cpu` is None if the system does not report
    it.
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
    """`ratio` is the fraction to be removed of the multiply-accumulates or, with `latency`, of the
    time of an inference; `reached` is the removed fraction of the multiply-accumulates.

    `batch_norm` describes the images used to re-estimate batch-norm statistics and for everything
    else that `method`, `scope` and reconstruction take from images. `gradients_from` lists the
    targets of the gradients, if any were used: "labels" or the "own answers" of the unpruned model.
    `seconds` is how long all of this took; it is None in descriptions by older versions.
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
    """The distillation that trained the weights after pruning."""

    checkpoint_sha256: str
    epochs: int
    batch_size: int
    learning_rate: float
    images: int
    seed: int


@dataclass(frozen=True)
class AccuracyControl:
    """How top-1 was kept within `max_drop` of FP32's, on the labelled images `validation`.

    `fp32_right` and `int8_right` count the right answers on the machine that made the model;
    `reverted` names the convolutions and linear layers that returned to floating point.
    """

    max_drop: float
    validation: Calibration
    fp32_right: int
    int8_right: int
    reverted: tuple[str, ...]


@dataclass(frozen=True)
class Quantization:
    """Post-training quantization by the algorithm `quantizer`; `method` also names its tool.

    Without `accuracy_control` and `keep_fp32`, every layer is in INT8. `calibration` is None if no
    images were used, as when only weights are quantized. `fast_bias_correction` distinguishes the
    fast from the full method if there is `bias_correction`. `equalized_pairs` is the number of
    pairs of layers whose weights were equalised before.
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
    """The cost of making the file: the elapsed seconds from the weights to the file, and the number
    of `images` used, each counted once.
    """

    seconds: float
    images: int


@dataclass(frozen=True)
class ModelDescription:
    """One model file. `files` maps the names of all files of the model to their sha256.

    `dataset` names the preprocessing of its images; it is None for files made elsewhere if nobody
    specified it. `card` holds the user's own preprocessing.
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
        """Whether the weights are random, so that the model's accuracy is meaningless."""
        return self.weights.sha256 is None


def tool_versions(further: Sequence[str] = ()) -> dict[str, str]:
    """Return the versions of the packages that make model files, and of the `further` ones."""
    return installed_versions((*TOOLS, *further))


def description_path(model: Path) -> Path:
    """Return the path of the description beside the model file."""
    return model.with_name(f"{model.name}.json")


def write_description(model: Path, description: ModelDescription) -> None:
    """Write `description` beside the model file `model`."""
    text = json.dumps(dataclasses.asdict(description), indent=2)
    description_path(model).write_text(text + "\n", encoding="utf-8")


def read_description(model: Path, hashes: Hashes | None = None) -> ModelDescription | None:
    """Read the description beside `model`, or return None if there is none.

    Raises ModelError if it is damaged or if a file differs from the described one. `hashes` caches
    the sums of the files that are read.
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
        raise ModelError(f"{path} is not a model description: {error}. {advice}") from error
    for name, sha256 in description.files.items():
        file = model.with_name(name)
        if not file.is_file():
            raise ModelError(f"{file} is missing: {path.name} names it. {advice}")
        if hashes.of(file) != sha256:
            raise ModelError(f"{file} is not the file that {path.name} describes. {advice}")
    return description


def random_weights(model: Path) -> Weights | None:
    """Return the origin of the weights of `model` if its description says that they are random.

    A description that does not belong to the file says nothing.
    """
    try:
        description = read_description(model)
    except ModelError:
        return None
    return description.weights if description and description.has_random_weights else None


def parse_description(content: Any) -> ModelDescription:
    """Return the description that `dataclasses.asdict` turned into `content`. Raises ValueError."""
    check_schema(content, SCHEMA)
    return from_plain(content, ModelDescription)
