"""The results of `prepare.py sensitivity`: sensitivity.json and the figure sensitivity.svg."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.files import staged, write_text
from mlperf_benchmark.core.typed_json import check_schema, from_plain
from mlperf_benchmark.models.optimize.pruning.sensitivity import PARTS, LayerSensitivity

SCHEMA = 1
FILE = "sensitivity.json"
FIGURE = "sensitivity.svg"
ROW_INCHES = 0.24


@dataclass(frozen=True)
class Sensitivity:
    """How many of `total` images are answered well, unpruned (`good`) and for each pruned layer.

    `measure` is "top-1" or "agreement". `run` identifies the run: a run that continues it must have
    the same weights, images (by the sha256 of their list), criterion and seed.
    """

    run: Mapping[str, str]
    measure: str
    good: int
    total: int
    parts: tuple[float, ...] = PARTS
    layers: tuple[LayerSensitivity, ...] = ()
    schema: int = SCHEMA

    def with_layer(self, layer: LayerSensitivity) -> "Sensitivity":
        return dataclasses.replace(self, layers=(*self.layers, layer))


def read_record(folder: Path) -> Sensitivity | None:
    """Read the record of an earlier run in `folder`, or None. Raises OutputError."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        check_schema(content, SCHEMA)
        return from_plain(content, Sensitivity)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise OutputError(
            f"{path} is not a record of prepare.py sensitivity: {error}. Give --overwrite or"
            f" another --output."
        ) from error


def write_record(folder: Path, record: Sensitivity) -> None:
    """Replace the record and its figure as a whole. Raises OutputError."""
    with staged(folder) as staging:
        write_text(staging / FILE, json.dumps(dataclasses.asdict(record), indent=2) + "\n")
        _draw(record, staging / FIGURE)


def _draw(record: Sensitivity, path: Path) -> None:
    """Draw one row per layer and one column per pruned fraction of its channels."""
    layers = record.layers
    if not layers:
        return
    # Names are text, and the same record gives the same file.
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": FIGURE, "text.parse_math": False}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(5, 1.2 + ROW_INCHES * len(layers)), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(
            [layer.good for layer in layers],
            vmin=0,
            vmax=record.total,
            cmap="viridis",
            aspect="auto",
        )
        for row, layer in enumerate(layers):
            for column, good in enumerate(layer.good):
                colour = "black" if good > record.total / 2 else "white"
                axes.text(column, row, str(good), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(record.parts)), [f"{-part:.0%}" for part in record.parts])
        axes.set_yticks(range(len(layers)), [layer.layer for layer in layers])
        axes.set_xlabel("channels of this layer alone")
        axes.set_title(f"{record.measure} of {record.total} (unpruned {record.good})", fontsize=10)
        figure.savefig(path, format="svg", metadata={"Date": None})
