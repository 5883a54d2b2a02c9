"""The highest VALID Server rate, confirmed: for one's own use, as ResNet-50 has no Server."""

from collections.abc import Mapping

from rich.console import Console

from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.run.peak_rate import STEP_QUERIES, highest_valid, rounded, step_seconds
from mlperf_benchmark.submit.executing import differences, execute
from mlperf_benchmark.submit.finished_run import FinishedRun, read_run
from mlperf_benchmark.submit.options import Request
from mlperf_benchmark.submit.plan import planned_run

# A long run may not sustain the rate of a short one: go down to two thirds of it.
BACK_OFF = 0.9
CONFIRMATIONS = 5
OK, FINDINGS = 0, 3


def find_peak(request: Request, console: Console) -> int:
    """Search between nothing and the Offline rate, then confirm with a run of full length.

    --time sets the length of that run. Exit status 3 where no rate could be confirmed.
    """
    run = _made(request, "ceiling", "Offline", {"time": step_seconds(request.time)})
    ceiling = run.result.timing.samples_per_second
    say(
        console,
        f"Offline reaches {ceiling:.1f} samples/s, which is the most that Server can reach.",
    )
    rate = highest_valid(lambda rate, number: _step(request, rate, number, console), ceiling)
    say(console, "Confirming with a run of full length.")
    for _ in range(CONFIRMATIONS):
        seconds = None if request.time is None else max(request.time, STEP_QUERIES / rate)
        options = _server(request, rate) | {"time": seconds}
        run = _made(request, f"confirm-{rate:g}", "Server", options)
        _report(run, rate, console)
        if run.is_valid:
            say(console, f"Peak: {rate:g} queries/s, {run.result.rules} run in {run.folder}")
            return OK
        rate = rounded(rate * BACK_OFF)
    say(console, "Not confirmed: short runs reached a rate that a long one does not sustain.")
    return FINDINGS


def _step(request: Request, rate: float, number: int, console: Console) -> bool:
    options = _server(request, rate) | {"time": step_seconds(request.time, rate)}
    run = _made(request, f"{rate:g}-{number}", "Server", options)
    _report(run, rate, console)
    return run.is_valid


def _made(request: Request, name: str, scenario: str, options: Mapping[str, object]) -> FinishedRun:
    """The run in `OUTPUT/peak`, made where it is missing or of something else."""
    planned = planned_run(request, scenario, name, request.output / "peak", options)
    found = read_run(planned.output)
    return execute(planned) if found is None or differences(planned, found) else found


def _server(request: Request, rate: float) -> dict[str, object]:
    return {"qps": rate, "max_latency": request.max_latency}


def _report(run: FinishedRun, rate: float, console: Console) -> None:
    timing = run.result.timing
    say(
        console,
        f"  {rate:8g} queries/s  {timing.validity:7}  p99 {timing.latency_ms['p99']:.3f} ms, "
        f"{timing.samples_per_second:.1f} samples/s",
    )
