"""The files that a comparison leaves in its output folder."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.core.files import staged, write_text
from mlperf_benchmark.core.output_names import COMPARISON
from mlperf_benchmark.core.registry import Registry

EXPORTERS = Registry(
    "exporter",
    {
        COMPARISON: "mlperf_benchmark.compare.output.json_file:render",
        "results.md": "mlperf_benchmark.compare.output.markdown:render",
        "results.csv": "mlperf_benchmark.compare.output.csv_file:render",
        "report.html": "mlperf_benchmark.compare.output.report.page:render",
    },
    group="mlperf_benchmark.exporters",
)


@dataclass(frozen=True)
class Exported:
    """The files that were written, and what was wrong with the others by their names."""

    paths: list[Path]
    failures: dict[str, Exception]


def export(comparison: Comparison, folder: Path) -> Exported:
    """Write every form into `folder`. One that cannot be made or written costs no other."""
    done = Exported([], {})
    for name in EXPORTERS.names():
        failure = _export(comparison, folder, name)
        if failure is None:
            done.paths.append(folder / name)
        else:
            done.failures[name] = failure
    return done


def _export(comparison: Comparison, folder: Path, name: str) -> Exception | None:
    try:
        text: str = EXPORTERS.load(name)(comparison)
        with staged(folder) as staging:
            write_text(staging / name, text)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others do not suffer
        # What stood there is of fewer rounds.
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)
        return error
    return None
