"""The files that a comparison leaves in its output folder."""

from pathlib import Path

from comparison.record import Comparison
from contracts.registry import Registry
from modelfiles.staging import staged

EXPORTERS = Registry(
    "exporter",
    {
        "results.json": "comparison.exporters.json_file:render",
        "results.md": "comparison.exporters.markdown:render",
        "results.csv": "comparison.exporters.csv_file:render",
        "report.html": "comparison.report.page:render",
    },
)


def export(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every form into `folder`: all of them, or none. Returns the paths."""
    names = EXPORTERS.names()
    with staged(folder) as staging:
        for name in names:
            text: str = EXPORTERS.load(name)(comparison)
            (staging / name).write_text(text, encoding="utf-8")
    return [folder / name for name in names]
