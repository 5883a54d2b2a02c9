"""Finds the files of a model: all those that a runtime reads and that affect the answers."""

import os
from pathlib import Path

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.files.external_data import ExternalData, external_data
from mlperf_benchmark.models.files.ir_pair import is_ir, weights_of


def model_files(model: Path) -> tuple[Path, ...]:
    """Return `model` and its weight files: the .bin of an .xml, the external data of an .onnx.

    Raises ModelError if one is missing, truncated or outside the folder of `model`.
    """
    if not model.is_file():
        raise ModelError(f"There is no model file {model}.")
    if is_ir(model):
        weights = weights_of(model)
        if not weights.is_file():
            raise ModelError(f"{model} lacks its weights: no {weights.name} beside it.")
        return model, weights
    if model.suffix.lower() == ".onnx":
        try:
            found = external_data(model)
        except OSError as error:
            raise ModelError(f"Cannot read {model}: {error.strerror}.") from error
        return model, *dict.fromkeys(_beside(model, data) for data in found)
    return (model,)


def _beside(model: Path, data: ExternalData) -> Path:
    file = model.parent / os.path.normpath(data.location)
    if not file.resolve().is_relative_to(model.parent.resolve()):
        raise ModelError(
            f'{model} wants weights from "{data.location}", which leads out of its folder: '
            "runtimes do not follow that. Put the file itself beside the model."
        )
    if not file.is_file():
        raise ModelError(
            f"{model} lacks its weights: there is no {file}. Copy all files that the export wrote."
        )
    size = file.stat().st_size
    if size < data.end:
        raise ModelError(
            f"{file}, the weights of {model}, is cut off: it has {size} bytes of {data.end}. "
            "Copy it again."
        )
    return file
