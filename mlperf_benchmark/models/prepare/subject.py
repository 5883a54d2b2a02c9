"""What a model file is made from: an architecture with weights, or an ONNX file made elsewhere."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from backend import Remark
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.preprocessing import CUSTOM, CustomPreprocessing, ModelCard
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.loadgen.labels import label_offset
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES, Architecture
from mlperf_benchmark.models.architectures.importing import architecture_of, imported
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.architectures.weights import LoadedModel
from mlperf_benchmark.models.files.calibration_list import (
    CalibrationImage,
    read_calibration_list,
)
from mlperf_benchmark.models.files.description import (
    FineTuning,
    Pruning,
    Quantization,
    Size,
    Weights,
)
from mlperf_benchmark.models.files.formats import ModelFormat
from mlperf_benchmark.models.optimize.equalization import equalize
from mlperf_benchmark.models.optimize.macs import count_macs, count_parameters
from mlperf_benchmark.models.optimize.quantizers.quantizer import Source
from mlperf_benchmark.models.prepare.calibration import CalibrationImages
from mlperf_benchmark.models.prepare.images import ImageSelection, load_images
from mlperf_benchmark.models.prepare.initial_weights import initial_weights
from mlperf_benchmark.models.prepare.latency.bench import bench_of
from mlperf_benchmark.models.prepare.model_input import ModelInput
from mlperf_benchmark.models.prepare.own_images import kept_card, own_images
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.models.prepare.variant import prune_model

TORCHVISION = "imagenet_pytorch"
"""The preprocessing assumed for the user's torch modules if none is specified."""


class Subject(ABC):
    """A classifier that is to become a model file.

    `dataset` names its preprocessing; it is None if nobody specified any. For the user's own
    preprocessing, `preprocessing` holds all of it and `card` is what the file's description
    records. `remarks` are shown if images are used. `trained` is the INT8 graph that belongs to
    weights trained in INT8, and `quantization` says how that training began. `calibrated` are the
    images listed beside the file that the subject is read from.

    Life cycle: construct, which refuses what cannot be done, then `load`, then the other methods.
    """

    has_module: ClassVar[bool] = True
    recipe: Recipe
    name: str
    dataset: str | None
    preprocessing: CustomPreprocessing | None = None
    card: ModelCard | None = None
    remarks: tuple[Remark, ...] = ()
    input_size: int
    quantization_preset: str
    weights: Weights
    pruning: Pruning | None = None
    fine_tuning: FineTuning | None = None
    trained: onnx.ModelProto | None = None
    quantization: Quantization | None = None
    calibrated: tuple[CalibrationImage, ...] = ()

    @property
    def precision(self) -> str:
        """The precision of the file that is made."""
        return self.recipe.precision

    @abstractmethod
    def has_published_weights(self) -> bool:
        """Whether the weights were trained on images; known before they are read."""

    @abstractmethod
    def load(self) -> None:
        """Read the weights. Raises ModelError."""

    @abstractmethod
    def prune(self, calibration: CalibrationImages) -> None:
        """Prune the model as the recipe says. Raises UsageError or ModelError."""

    def fitted(self, images: ModelInput) -> ModelInput:
        """Return `images` in the layout and type of the model's input, without a batch axis."""
        return images

    def label_offset(self) -> int:
        """Return the number to add to a score's index to get the class. Raises ModelError."""
        return 0

    def load_labelled(self, selection: ImageSelection) -> tuple[ModelInput, NDArray[np.int64]]:
        """Return the images as the model takes them, and the score indices of their classes."""
        assert self.dataset is not None
        images = load_images(selection, self.dataset, self.recipe.cache_dir, self.preprocessing)
        return self.fitted(images), np.array(selection.labels, np.int64) - self.label_offset()

    @abstractmethod
    def equalize(self) -> int:
        """Equalise the weights across layers and return the number of pairs. Raises ModelError."""

    @abstractmethod
    def sizes(self) -> tuple[Size, Size]:
        """Return the size of the model as it is and before pruning."""

    @abstractmethod
    def source(self, convert: Callable[[onnx.ModelProto], Any]) -> Source:
        """Return the model in the form that quantizers take. Raises ModelError."""

    @abstractmethod
    def graph(self, file_format: ModelFormat) -> Any:
        """Return the floating-point model in the form that `file_format` saves."""


class TorchSubject(Subject):
    """An architecture of the product or the user, with weights."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.architecture = self._architecture()
        self.name = self.architecture.name
        self.dataset = self.architecture.dataset
        self.preprocessing = self.architecture.preprocessing
        if self.card is None and self.preprocessing is not None:
            self.card = self.preprocessing.card
        self.input_size = self.architecture.input_size
        self.quantization_preset = self.architecture.quantization_preset
        self._loaded: LoadedModel

    def has_published_weights(self) -> bool:
        return self.recipe.weights in self.architecture.weight_sources

    def load(self) -> None:
        recipe = self.recipe
        self._loaded = initial_weights(
            self.architecture, recipe.weights, seed=recipe.seed, cache_dir=recipe.cache_dir
        )
        self.weights = self._loaded.weights
        self.pruning = self._loaded.pruning
        self.fine_tuning = self._loaded.fine_tuning
        self.trained = self._loaded.quantized
        self.quantization = self._loaded.quantization
        self.calibrated = read_calibration_list(Path(recipe.weights))

    def prune(self, calibration: CalibrationImages) -> None:
        recipe = self.recipe
        assert recipe.pruning is not None
        labels = calibration.labels
        if labels is not None:
            offset = self.label_offset()
            labels = tuple(label - offset for label in labels)
        self.pruning = prune_model(
            self._loaded,
            self.architecture,
            recipe.pruning,
            recipe.seed,
            dataclasses.replace(calibration, labels=labels),
            bench=bench_of(recipe) if recipe.times_layers else None,
        )

    def label_offset(self) -> int:
        size = self.input_size
        with torch.no_grad():
            scores = self._loaded.module(torch.zeros(1, 3, size, size))
        told = self.recipe.labels_offset
        if told is None and self.card is not None:
            told = self.card.labels_offset
        return label_offset(scores.shape[1], told)

    def equalize(self) -> int:
        pairs = equalize(self._loaded.module)
        if not pairs:
            raise ModelError(
                f"{self.name} has no two convolutions with only a ReLU between them, which"
                " --equalize needs (ReLU6 is another function)."
            )
        tell(f"Equalised the weights of {pairs} pairs of layers.")
        return pairs

    def sizes(self) -> tuple[Size, Size]:
        return self._size(self._loaded.module), self._size(self.architecture.build())

    def source(self, convert: Callable[[onnx.ModelProto], Any]) -> Source:
        return Source(
            self._loaded.module, lambda module: export_onnx(module, self.input_size), convert
        )

    def graph(self, file_format: ModelFormat) -> Any:
        return file_format.graph(self._loaded.module, self.input_size, export_onnx)

    def _size(self, module: nn.Module) -> Size:
        macs = count_macs(module, self.input_size)
        return Size(gmacs=macs / 1e9, parameters=count_parameters(module))

    def _architecture(self) -> Architecture:
        """Return the product's or the user's architecture. Raises UsageError or ModelError."""
        recipe = self.recipe
        if recipe.architecture is None:
            if recipe.dataset is not None:
                raise UsageError(
                    f"--profile does not apply to {recipe.model}, whose preprocessing is known: it"
                    " is for ONNX files and --architecture."
                )
            architecture: Architecture = ARCHITECTURES.load(recipe.model)
            return architecture
        found = imported(recipe.architecture)
        if isinstance(found, Architecture):
            if recipe.tells_images:
                raise UsageError(
                    f"--architecture {recipe.architecture} says itself how its images are"
                    " preprocessed: leave --profile and the options of a model card out."
                )
            return found
        named = None if recipe.dataset == CUSTOM else recipe.dataset
        dataset, preprocessing = named or TORCHVISION, None
        weights = Path(recipe.weights)
        own = own_images(recipe, weights if weights.is_file() else None)
        if own is not None:
            self.remarks = own.remarks
            if own.is_told or recipe.labels_offset is not None:
                dataset, preprocessing = own.dataset, own.preprocessing
                self.card = kept_card(recipe, own)
        return architecture_of(recipe.architecture, found, dataset, preprocessing)
