"""Options of main.py that an axis of a matrix sweeps over, and the lines that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mlperf_benchmark.compare.record import Row
from mlperf_benchmark.core.run_config import SCENARIOS

Point = Mapping[str, int | float]
"""What a cell has of each axis that is swept, by the option's name."""

BATCHED = ("MultiStream", "Server", "Offline")


@dataclass(frozen=True)
class Sweep:
    """An option with a list of values. It multiplies the cells of the `scenarios` that take it.

    `one` and `many` are what a cell is called by, `label` what an axis of a figure is.
    """

    kind: type[int] | type[float]
    scenarios: tuple[str, ...]
    one: str
    many: str
    label: str

    def text(self, value: float) -> str:
        """As part of a cell's name."""
        return (self.one if value == 1 else self.many).format(f"{value:.10g}")


QPS = "qps"
SWEEPS: Mapping[str, Sweep] = MappingProxyType(
    {
        "threads": Sweep(int, SCENARIOS, "{} thread", "{} threads", "threads"),
        "streams": Sweep(int, BATCHED, "{} stream", "{} streams", "streams"),
        "max_batchsize": Sweep(int, BATCHED, "batch {}", "batch {}", "largest batch"),
        QPS: Sweep(float, ("Server",), "{} query/s", "{} queries/s", "queries a second"),
    }
)


def point_text(variant: str, point: Point) -> str:
    """The name of a cell: its variant and what it has of each axis."""
    return ", ".join([variant, *(SWEEPS[name].text(value) for name, value in point.items())])


@dataclass(frozen=True)
class Line:
    """Rows that differ in one axis alone, by its value."""

    name: str
    values: tuple[float, ...]
    rows: tuple[Row, ...]


def swept(rows: Sequence[Row]) -> list[str]:
    """The axes of which the rows have more than one value."""
    return [
        name for name in SWEEPS if len({row.sweep[name] for row in rows if name in row.sweep}) > 1
    ]


def lines(rows: Sequence[Row], axis: str) -> list[Line]:
    """The rows joined along `axis`: a line for each variant and point of the other axes."""
    several = swept(rows)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if axis in row.sweep:
            others = {
                name: value for name, value in row.sweep.items() if name != axis and name in several
            }
            groups.setdefault(point_text(row.variant, others), []).append(row)
    found = []
    for name, members in groups.items():
        ordered = sorted(members, key=lambda row: row.sweep[axis])
        found.append(Line(name, tuple(row.sweep[axis] for row in ordered), tuple(ordered)))
    return found
