"""What the report draws as bars: cold start and memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlperf_benchmark.compare.record import Row
from mlperf_benchmark.run.result import ColdStart

MB = 1e6


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars. `rows` are those that have figures, `parts` the values of all of them by
    what they are; `stacked` parts add up to one bar, others stand below each other.
    """

    title: str
    caption: str
    unit: str
    form: str
    rows: Sequence[Row]
    parts: Mapping[str, Sequence[float]]
    stacked: bool

    def told(self, place: int) -> str:
        """The row's values as text for the figure's description."""
        values = (
            f"{name} {values[place]:{self.form}}"
            for name, values in self.parts.items()
            if values[place]
        )
        return f"{self.rows[place].name} {', '.join(values)} {self.unit}"


def cold_start_chart(rows: Sequence[Row]) -> BarChart | None:
    """From the start of loading to the first answer."""
    known = [(row, row.cold_start) for row in rows if row.cold_start is not None]
    if not known:
        return None
    parts = [_parts(start) for _, start in known]
    return BarChart(
        "Cold start",
        "Seconds from the start of loading to the first answer, each the median of the rounds.",
        "s",
        ".2f",
        [row for row, _ in known],
        {name: [each[name] for each in parts] for name in parts[0] if any(e[name] for e in parts)},
        stacked=True,
    )


def memory_chart(rows: Sequence[Row]) -> BarChart | None:
    """What the model adds, and what its process has at most."""
    known = [(row, row.memory) for row in rows if row.memory is not None]
    if not known:
        return None
    return BarChart(
        "Memory",
        "Resident memory of the process, each the median of the rounds: what the loaded model "
        "added, and the peak of the run with Python, the runtime and the images.",
        "MB",
        ".0f",
        [row for row, _ in known],
        {
            "model": [memory.model_bytes / MB for _, memory in known],
            "peak": [memory.peak_bytes / MB for _, memory in known],
        },
        stacked=False,
    )


def _parts(start: ColdStart) -> dict[str, float]:
    read, compiled = start.read_seconds, start.compile_seconds
    loading = start.first_answer_seconds - start.first_inference_seconds
    return {
        "read": read or 0.0,
        "compile": compiled or 0.0,
        # Of a backend that cannot tell the two apart.
        "load": loading if read is None and compiled is None else 0.0,
        "first inference": start.first_inference_seconds,
    }
