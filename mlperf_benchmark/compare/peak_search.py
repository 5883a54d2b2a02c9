"""A round of a cell whose metric is the highest VALID rate: a search in place of one run."""

from pathlib import Path

from mlperf_benchmark.compare.cell_process import CellRun, run_cell, run_of_several
from mlperf_benchmark.compare.plan import Cell
from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.core.output_names import RESULT
from mlperf_benchmark.run.arguments import to_arguments, without
from mlperf_benchmark.run.peak_rate import highest_valid, step_seconds
from mlperf_benchmark.run.result import VALID, Result, read_result

RATES = "rates"
CEILING = "ceiling"
LENGTH = ("time", "queries")


def search_peak(program: Path, cell: Cell, folder: Path) -> CellRun:
    """Find the highest VALID rate of a Server cell. Its run is then the one in `folder`; those at
    other rates are in `rates` there.
    """
    search = _Search(program, cell, folder / RATES)
    failure = None
    try:
        _move_up(search.run(), folder)
    except RunError as error:
        failure = str(error)
    return run_of_several(search.runs, failure)


class _Search:
    def __init__(self, program: Path, cell: Cell, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._arguments = without(cell.arguments, LENGTH)
        self._seconds = cell.options.time
        self._best: Path | None = None
        self.runs: list[CellRun] = []

    def run(self) -> Path:
        """The folder of the run at the highest rate. Raises RunError where there is none."""
        plain = without(self._arguments, ("scenario", "max-latency"))
        options = {"scenario": "Offline", "time": step_seconds(self._seconds)}
        ceiling = self._made(CEILING, [*plain, *to_arguments(options)])
        highest_valid(self._is_valid, ceiling.timing.samples_per_second)
        assert self._best is not None
        return self._best

    def _is_valid(self, rate: float, number: int) -> bool:
        name = f"{rate:g}-{number}"
        options = {"qps": rate, "time": step_seconds(self._seconds, rate)}
        result = self._made(name, [*self._arguments, *to_arguments(options)])
        if result.validity != VALID:
            return False
        # The rates that are found valid rise.
        self._best = self._folder / name
        return True

    def _made(self, name: str, arguments: list[str]) -> Result:
        folder = self._folder / name
        run = run_cell(self._program, arguments, folder)
        self.runs.append(run)
        if run.failure is not None:
            raise RunError(run.failure)
        return read_result(folder / RESULT)


def _move_up(found: Path, folder: Path) -> None:
    for file in found.iterdir():
        file.replace(folder / file.name)
    found.rmdir()
