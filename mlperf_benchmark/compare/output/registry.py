"""The files that a comparison leaves in its output folder."""

from pathlib import Path

from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.core.files import staged, write_text
from mlperf_benchmark.core.registry import Registry

EXPORTERS = Registry(
    "exporter",
    {
        "results.json": "mlperf_benchmark.compare.output.json_file:render",
        "results.md": "mlperf_benchmark.compare.output.markdown:render",
        "results.csv": "mlperf_benchmark.compare.output.csv_file:render",
        "report.html": "mlperf_benchmark.compare.output.report.page:render",
    },
)


def export(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every form into `folder`: all of them, or none. Returns the paths."""
    names = EXPORTERS.names()
    with staged(folder) as staging:
        for name in names:
            text: str = EXPORTERS.load(name)(comparison)
            write_text(staging / name, text)
    return [folder / name for name in names]
