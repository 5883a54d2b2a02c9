"""The settings that say what a model file is made from and how."""

from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.preprocessing import ModelCard
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.models.files.formats import BACKEND_FORMATS
from mlperf_benchmark.models.optimize.config import QUANTIZED, PruningConfig, QuantizationConfig
from mlperf_benchmark.tvm_compiler.options import CompileOptions

PRECISIONS = ("fp32", *QUANTIZED)
ONNX = ".onnx"
OTHER_FILES = (".xml", ".zip", ".tvm", ".pt", ".pt2", ".pth", ".tflite", ".pb", ".h5", ".keras")
"""Suffixes of model files that users often give instead of ONNX files."""
EXPORTED = "pt2"
TORCH_BACKENDS = ("torch", "inductor")
TIMED_BACKENDS = ("onnxruntime", "openvino", "tvm")
"""The backends for whose latency models can be pruned."""


@dataclass(frozen=True)
class Recipe:
    """The settings for one model file. `format` None stands for the backend's preferred format.

    `model` is the name of an architecture, or the path of an ONNX file, which contains its weights;
    `weights` is then the same path. `inputs` and `outputs` select ports of such a file if it has
    several, and `data_format` is its input layout. `architecture` is the "module:function" of the
    user's own architecture, which is code. `dataset` names the preprocessing for an ONNX file or
    the user's own architecture; None or "custom" takes it from `card`, the file `model_card` or the
    files beside the model. `labels_offset` is added to the classes that the model answers.

    `compilation` is None for formats that are not compiled. `threads` is the number of threads used
    when pruning for latency; None leaves it to the backend. `calibration_count` None stands for all
    images of `calibration_path`. No image of `evaluation_path` may be used.
    """

    model: str
    weights: str
    seed: int = 0
    backend: str = "openvino"
    format: str | None = None
    precision: str = "fp32"
    pruning: PruningConfig | None = None
    quantization: QuantizationConfig | None = None
    calibration_path: Path | None = None
    calibration_count: int | None = None
    evaluation_path: Path | None = None
    output: Path = Path("models")
    name: str | None = None
    cache_dir: Path = Path("cache")
    overwrite: bool = False
    compilation: CompileOptions | None = None
    dataset: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    data_format: str | None = None
    card: ModelCard | None = None
    model_card: Path | None = None
    labels_offset: int | None = None
    architecture: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        known_name("precision", self.precision, PRECISIONS)
        if self.times_layers and self.backend not in TIMED_BACKENDS:
            raise UsageError(
                f"--prune-for latency does not apply to --backend {self.backend}: it measures in"
                f" {', '.join(TIMED_BACKENDS)}."
            )
        if self.name in ("", "..") or (self.name and Path(self.name).name != self.name):
            raise UsageError(f'--name "{self.name}" is not a file name: --output names the folder.')
        if self.is_file:
            self._check_file()
        elif Path(self.model).suffix.lower() in OTHER_FILES:
            raise UsageError(
                f"{self.model} is not an ONNX file: give the {ONNX} that it was made from, or"
                " export one. Weights of an architecture go into --weights."
            )

    def _check_file(self) -> None:
        if self.pruning is not None:
            raise UsageError(
                "--prune needs the layers as a torch module, and an ONNX file has none: name an"
                f" architecture instead of {self.model}, and its --weights."
            )
        if self.backend in TORCH_BACKENDS:
            raise UsageError(
                f"The {self.backend} backend does not run ONNX files, nor what is made of them:"
                " --backend openvino, onnxruntime or tvm."
            )

    @property
    def is_file(self) -> bool:
        """Whether `model` is a model file rather than an architecture."""
        return Path(self.model).suffix.lower() == ONNX

    @property
    def tells_images(self) -> bool:
        """Whether the recipe specifies the preprocessing of images or the numbering of classes."""
        told = (self.dataset, self.card, self.model_card, self.labels_offset)
        return any(one is not None for one in told)

    @property
    def model_name(self) -> str:
        """The name of the architecture, or of the model file without its suffix."""
        return Path(self.model).stem if self.is_file else self.model

    @property
    def times_layers(self) -> bool:
        """Whether pruning measures latency."""
        return self.pruning is not None and self.pruning.budget == "latency"

    @property
    def file_format(self) -> str:
        """The name of the model file format. Raises UsageError for one the backend cannot read."""
        formats = BACKEND_FORMATS[known_name("backend", self.backend, BACKEND_FORMATS)]
        if self.architecture is not None and self.backend in TORCH_BACKENDS:
            # A checkpoint names its architecture, and main.py runs no code that a file names.
            formats = (EXPORTED,)
        if self.format is None:
            return formats[0]
        if self.format not in formats:
            made = " made of --architecture" if self.architecture else ""
            raise UsageError(
                f"The backend {self.backend} does not read {self.format} files{made};"
                f" --format may be {', '.join(formats)}."
            )
        return self.format

    def file_stem(self, pruned_before: float | None = None) -> str:
        """Return the file name without suffix.

        `pruned_before` is the pruned fraction of weights that were already pruned.
        """
        if self.name is not None:
            return self.name.removesuffix(f".{self.file_format}")
        pruned = self.pruning.prune if self.pruning else pruned_before
        part = f"_pruned{100 * pruned:g}" if pruned else ""
        if self.pruning is not None and self.times_layers:
            part = f"_latency{100 * self.pruning.left:g}"
        return f"{self.model_name}{part}_{self.precision}"
