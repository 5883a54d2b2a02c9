"""An ONNX file made elsewhere that is converted or quantized."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from dataset import image_format
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.files import file_sha256
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.preprocessing import CUSTOM, ModelCard
from mlperf_benchmark.loadgen.labels import label_offset
from mlperf_benchmark.models.files.calibration_list import read_calibration_list
from mlperf_benchmark.models.files.description import Size, Weights, random_weights
from mlperf_benchmark.models.files.foreign_onnx import (
    ForeignModel,
    quantizable,
    quantized_by,
    read_foreign,
)
from mlperf_benchmark.models.files.formats import ModelFormat
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.models.files.onnx_size import Measured, measure
from mlperf_benchmark.models.files.ports import Port, class_count
from mlperf_benchmark.models.optimize.quantizers.quantizer import Source
from mlperf_benchmark.models.prepare.calibration import CalibrationImages
from mlperf_benchmark.models.prepare.model_input import ModelInput
from mlperf_benchmark.models.prepare.own_images import kept_card, own_images
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.models.prepare.subject import Subject
from mlperf_benchmark.onnxruntime_model.weights import refuse_non_finite


class ForeignSubject(Subject):
    """An ONNX file whose graph is kept, apart from what quantization adds."""

    has_module = False
    # This preset suits activations below zero, which an unknown model may have.
    quantization_preset = "mixed"

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._path = Path(recipe.model)
        self.name = recipe.model_name
        self.dataset = None if recipe.dataset == CUSTOM else recipe.dataset
        self._own = own_images(recipe, self._path)
        # Without quantization no images are used, so that no preprocessing need be assumed.
        if self._own is not None and (self._own.is_told or recipe.quantization is not None):
            self.dataset = self._own.dataset
            self.preprocessing = self._own.preprocessing
            self.card = kept_card(recipe, self._own)
            self.remarks = self._own.remarks
        elif self._own is not None and recipe.labels_offset is not None:
            self.card = kept_card(recipe, self._own)
        self._image: ImageFormat | None = None
        if self.dataset is not None:
            self._image = image_format(self.dataset, self.preprocessing)
        self._foreign: ForeignModel

    @property
    def precision(self) -> str:
        return "int8" if quantized_by(self._foreign.model) else self.recipe.precision

    def has_published_weights(self) -> bool:
        return True

    def load(self) -> None:
        files = model_files(self._path)
        sums = [file_sha256(file) for file in files]
        text = "".join(sums).encode()
        digest = sums[0] if len(sums) == 1 else hashlib.sha256(text).hexdigest()
        self.weights = random_weights(self._path) or Weights(self._path.name, digest, None)
        self.calibrated = read_calibration_list(self._path)
        recipe, card = self.recipe, self._own.card if self._own else ModelCard()
        self._foreign = read_foreign(
            self._path,
            self._image,
            inputs=recipe.inputs or card.inputs or (),
            outputs=recipe.outputs or card.outputs or (),
            layout=recipe.data_format or card.layout,
        )
        refuse_non_finite(self._foreign.model)
        self.input_size = self._foreign.size[0]

    def prune(self, calibration: CalibrationImages) -> None:
        raise NotImplementedError("recipes of files do not prune")

    def equalize(self) -> int:
        raise UsageError(
            "--equalize needs the layers as a torch module, and an ONNX file has none: name an"
            f" architecture instead of {self._path}, and its --weights."
        )

    @cached_property
    def measured(self) -> Measured:
        """The size and answer of the model, measured by running it once."""
        return measure(self._foreign)

    def sizes(self) -> tuple[Size, Size]:
        return self.measured.size, self.measured.size

    def source(self, convert: Callable[[onnx.ModelProto], Any]) -> Source:
        model = quantizable(self._foreign)
        # Run it first: the runtime reports models that cannot be run more clearly than quantizers
        # do.
        _ = self.measured
        return Source(None, lambda _module: model, convert)

    def graph(self, file_format: ModelFormat) -> Any:
        return file_format.convert(self._foreign.model)

    def label_offset(self) -> int:
        shape = self.measured.answer
        port = Port(("scores",), shape)
        count = class_count(port, shape[0] if shape else 1, False, any_count=True)
        told = self.recipe.labels_offset
        if told is None and self.card is not None:
            told = self.card.labels_offset
        return label_offset(count, told)

    def fitted(self, images: ModelInput) -> ModelInput:
        image, foreign = self._image, self._foreign
        assert image is not None

        def load(indices: Sequence[int]) -> NDArray[Any]:
            values: NDArray[Any] = images.load(indices)
            if foreign.takes_pixels:
                mean, std = (np.reshape(one, (1, 3, 1, 1)) for one in (image.mean, image.std))
                values = np.rint(values * std + mean).astype(np.uint8)
            return values if foreign.layout == "NCHW" else values.transpose(0, 2, 3, 1)

        return ModelInput(images.count, load)
