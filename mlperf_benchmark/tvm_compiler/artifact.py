"""The compiled model as one file: a zip of `model.json`, the weights, and one shared library per
batch size.

The libraries are machine code: whoever loads a file runs what its author wrote.
"""

import dataclasses
import hashlib
import json
import math
import shutil
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.layer_profile import Layer
from mlperf_benchmark.core.placeholders import placeholder_in
from mlperf_benchmark.core.typed_json import from_plain

FORMAT = 3
DESCRIPTION = "model.json"
WEIGHTS = "weights.bin"
_EPOCH = (1980, 1, 1, 0, 0, 0)
ALIGNMENT = 64
"""Of arrays and values in memory: what the kernels' vector loads take for granted."""

_COPIED = 1 << 20
"""Bytes at a time."""

DAMAGES = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, struct.error)
"""What zipfile raises for archives with wrong bytes, besides OSError, ValueError and KeyError."""


@dataclass(frozen=True)
class Buffer:
    """`count` elements of `dtype`, starting at byte `offset` of the working memory."""

    dtype: str
    count: int
    offset: int

    @property
    def bytes(self) -> int:
        return self.count * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class WorkingMemory:
    """The places of the values between the layers of a library. They are followed by one place per
    thread, of as many float32 elements as the running kernel needs: one of `scratch`.
    """

    buffers: tuple[Buffer, ...]
    scratch: tuple[int, ...]

    @property
    def scratch_offset(self) -> int:
        end = max((buffer.offset + buffer.bytes for buffer in self.buffers), default=0)
        return end + -end % ALIGNMENT

    def bytes(self, threads: int) -> int:
        each = max(self.scratch, default=0)
        return self.scratch_offset + threads * each * np.dtype(np.float32).itemsize


@dataclass(frozen=True)
class Library:
    """One shared library of the file, compiled for `batch` images.

    `weights` are the numbers of the arrays that it takes. `convolutions` counts the convolutions
    per method, such as "direct" or "Winograd F(4x4)". `layers` are its kernels in execution order.
    """

    batch: int
    file: str
    sha256: str
    weights: tuple[int, ...]
    working: WorkingMemory
    convolutions: Mapping[str, int]
    layers: tuple[Layer, ...] = ()

    @property
    def computes_by(self) -> str:
        """The methods as text: "batch 8: 41 direct, 13 Winograd F(4x4)"."""
        counts = (f"{count} {method}" for method, count in self.convolutions.items())
        return f"batch {self.batch}: {', '.join(counts)}"


@dataclass(frozen=True)
class WeightArray:
    """An array of `shape` and `dtype`, starting at byte `offset` of the weights; arrays may share
    bytes.

    With `winograd`, kernels read it transformed (`constants.Constant`).
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    sha256: str
    winograd: int

    @property
    def bytes(self) -> int:
        """The number of bytes in the file."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class CompiledModel:
    """What `model.json` holds.

    `input_shape` is (H, W, C) of uint8 pixels, `classes` the number of scores. `precision` is
    "int8" or "float32", with its share of the `macs` (of one image) where both compute. `tiles`
    is the choice for each convolution of batch 1 or the smallest. Of each operator that TVM's own
    schedule computes `fallbacks` has the share of the MACs, `fallback_bytes` that of the bytes that
    all operators read and write.
    """

    tvm_version: str
    target: str
    features: tuple[str, ...]
    input_name: str
    output_name: str
    input_shape: tuple[int, int, int]
    classes: int
    precision: str
    layout: str
    macs: int
    source_sha256: str
    tiles: Mapping[str, Any]
    fallbacks: Mapping[str, float]
    libraries: tuple[Library, ...]
    weights: tuple[WeightArray, ...]
    fallback_bytes: Mapping[str, float] = field(default_factory=dict)
    format: int = FORMAT


def write_artifact(path: Path, model: CompiledModel, folder: Path) -> None:
    """Write `model` to `path` with its weights and libraries from `folder`. Raises OSError."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            text = json.dumps(dataclasses.asdict(model), indent=2)
            # A fixed date makes files of the same model identical; machine code is not compressed,
            # so that loading is quick.
            archive.writestr(zipfile.ZipInfo(DESCRIPTION, _EPOCH), text + "\n")
            for name in (WEIGHTS, *(library.file for library in model.libraries)):
                entry = zipfile.ZipInfo(name, _EPOCH)
                with (
                    (folder / name).open("rb") as source,
                    archive.open(entry, "w", force_zip64=True) as target,
                ):
                    shutil.copyfileobj(source, target, _COPIED)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_description(path: Path) -> CompiledModel:
    """Read the description in a compiled model. Raises ModelError if it is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(DESCRIPTION))
        # This check comes before that of the types, which may be another format's.
        if content["format"] != FORMAT:
            raise ModelError(
                f"{path} has format {content['format']} of compiled models, this program reads "
                f"{FORMAT}. Compile the model again."
            )
        model = from_plain(content, CompiledModel)
        if not model.libraries:
            raise ValueError("it holds no library")
        return model
    except OSError as error:
        raise ModelError(f"Cannot read the model {path}: {error.strerror}.") from error
    except (*DAMAGES, ValueError, KeyError, TypeError) as error:
        what = placeholder_in(path)
        if what is not None:
            raise ModelError(f"{path} {what}.") from error
        raise ModelError(
            f"{path} is not a model compiled for the tvm backend: {error}. "
            "Compile one with prepare.py --backend tvm."
        ) from error


def check_size(path: Path, model: CompiledModel, image: ImageFormat) -> None:
    """Raise ModelError if the model takes images of another size than the data set's."""
    expected = (image.height, image.width, 3)
    if model.input_shape != expected:
        raise ModelError(
            f"{path} takes images of {_size(model.input_shape)} and the data set makes"
            f" {_size(expected)}: compile a model for {image.height}×{image.width}."
        )


def _size(shape: tuple[int, int, int]) -> str:
    return "×".join(map(str, shape))


def extract_library(path: Path, library: Library, folder: Path) -> Path:
    """Copy one library of a compiled model to `folder` and return its path, if it is intact."""
    if Path(library.file).name != library.file:
        raise ModelError(f"{path} names a library outside of itself: {library.file}.")
    target = folder / library.file
    try:
        with zipfile.ZipFile(path) as archive:
            code = archive.read(library.file)
    except (*DAMAGES, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is damaged: {error}. Compile the model again.") from error
    if sha256(code) != library.sha256:
        raise ModelError(f"{path} is damaged: {library.file} differs. Compile the model again.")
    target.write_bytes(code)
    return target


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
