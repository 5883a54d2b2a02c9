"""Measures how long layers take for any number of channels and caches the times."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx

from mlperf_benchmark.core.errors import CacheError
from mlperf_benchmark.core.files import write_text
from mlperf_benchmark.core.typed_json import from_json
from mlperf_benchmark.models.prepare.latency.layer_shapes import LayerShape
from mlperf_benchmark.models.prepare.latency.probes import input_probe, layer_probe

FORMAT = 1
LEAST = 1e-6
"""The least time of a layer, relative to the whole model: noise may make differences negative."""

Measure = Callable[[Mapping[str, onnx.ModelProto]], dict[str, float]]
"""Returns the times of named models, relative to the time of the whole model."""


@dataclass(frozen=True)
class Setting:
    """Everything but the single layers that times depend on.

    `model` identifies the whole model, whose time is the unit. `options` are those of the
    compilation.
    """

    cpu: str | None
    backend: str
    version: str
    threads: int
    precision: str
    model: str
    options: str

    def file(self, cache_dir: Path) -> Path:
        text = json.dumps(asdict(self), sort_keys=True).encode()
        return cache_dir / "latency" / f"{hashlib.sha256(text).hexdigest()[:16]}.json"


@dataclass(frozen=True)
class _Content:
    setting: Setting
    times: dict[str, float]
    format: int = FORMAT


class LayerTimes:
    """Times of layers relative to the whole model. New measurements are saved immediately."""

    def __init__(self, setting: Setting, cache_dir: Path, measure: Measure) -> None:
        self._setting = setting
        self._file = setting.file(cache_dir)
        self._measure = measure
        self._times = _read(self._file, setting)

    def knows(self, shape: LayerShape) -> bool:
        return str(shape) in self._times

    def measure(self, shapes: Collection[LayerShape]) -> None:
        """Measure the unknown ones of `shapes` together. Raises CacheError."""
        new = {str(shape): shape for shape in shapes if not self.knows(shape)}
        if not new:
            return
        probes = {name: layer_probe(shape) for name, shape in new.items()}
        # Making the input takes time in proportion to its channels, so that the extremes suffice.
        ends = {
            str(shape.inputs): input_probe(shape)
            for shape in (
                min(new.values(), key=lambda one: one.inputs),
                max(new.values(), key=lambda one: one.inputs),
            )
        }
        found = self._measure(probes | ends)
        for name, shape in new.items():
            before = _between(shape.inputs, [(int(n), found[n]) for n in ends])
            self._times[name] = max(found[name] - before, LEAST)
        self._write()

    def time(self, shape: LayerShape) -> float:
        return self._times[str(shape)]

    def _write(self) -> None:
        content = _Content(self._setting, self._times)
        temporary = self._file.with_name(f".{self._file.name}.partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_text(temporary, json.dumps(asdict(content), indent=2) + "\n")
            temporary.replace(self._file)
        except OSError as error:
            raise CacheError(f"Cannot write {self._file}: {error.strerror}.") from error


def _between(place: int, ends: Sequence[tuple[int, float]]) -> float:
    """Interpolate linearly between both ends."""
    (low, first), *rest = sorted(ends)
    if not rest:
        return first
    ((high, last),) = rest
    return first + (last - first) * (place - low) / (high - low)


def _read(file: Path, setting: Setting) -> dict[str, float]:
    """Return the saved times, or none if the file is missing, damaged or for another setting."""
    try:
        content = from_json(file.read_bytes(), _Content)
    except (OSError, ValueError):
        return {}
    return content.times if content.setting == setting and content.format == FORMAT else {}
