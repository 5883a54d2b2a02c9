"""The highest VALID Server rate, by bisection: for one's own use, as ResNet-50 has no Server."""

import math
from collections.abc import Callable, Mapping

from rich.console import Console

from mlperf_benchmark.core.errors import RunError
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.submit.executing import differences, execute
from mlperf_benchmark.submit.finished_run import FinishedRun, read_run
from mlperf_benchmark.submit.options import Request
from mlperf_benchmark.submit.plan import planned_run

STEP_SECONDS = 10.0
# Early stopping wants 662 queries at the least, and more where some are late.
STEP_QUERIES = 1000
# The search ends where the highest VALID and the lowest INVALID rate are so near.
RESOLUTION = 0.05
LOWEST_SHARE = 0.05
# A machine that does something else for a moment spoils a step: it is believed the second time.
TRIES = 2
# What a short run reaches a long one may not keep up: down to two thirds of it.
BACK_OFF = 0.9
CONFIRMATIONS = 5
OK, FINDINGS = 0, 3


def find_peak(request: Request, console: Console) -> int:
    """Search between nothing and the Offline rate, then confirm with a run of full length.

    --time sets the length of that run. Exit status 3 where no rate could be confirmed.
    """
    run = _made(request, "ceiling", "Offline", {"time": _step_seconds(request)})
    ceiling = float(run.result["samples_per_second"])
    say(console, f"Offline reaches {ceiling:.1f} samples/s, which bounds what Server can.")
    rate = highest_valid(lambda rate: _step(request, rate, console), ceiling)
    say(console, "Confirming with a run of full length.")
    for _ in range(CONFIRMATIONS):
        seconds = None if request.time is None else max(request.time, STEP_QUERIES / rate)
        options = _server(request, rate) | {"time": seconds}
        run = _made(request, f"confirm-{rate:g}", "Server", options)
        _report(run, rate, console)
        if run.is_valid:
            say(console, f"Peak: {rate:g} queries/s, {run.result['rules']} run in {run.folder}")
            return OK
        rate = _rounded(rate * BACK_OFF)
    say(console, "Not confirmed: short runs reached a rate that a long one does not keep up.")
    return FINDINGS


def highest_valid(is_valid: Callable[[float], bool], ceiling: float) -> float:
    """The highest rate below `ceiling` that is found valid, to within RESOLUTION.

    Raises RunError where even a small share of the ceiling is not.
    """
    low, high = 0.0, ceiling
    while high - low > RESOLUTION * high:
        rate = _rounded((low + high) / 2)
        if is_valid(rate):
            low = rate
        else:
            high = rate
        if high < LOWEST_SHARE * ceiling:
            raise RunError(
                f"Not even {high:g} queries/s met the latency bound: choose a faster variant, or "
                f"raise --max-latency."
            )
    return low


def _step(request: Request, rate: float, console: Console) -> bool:
    seconds = max(_step_seconds(request), STEP_QUERIES / rate)
    for number in range(1, TRIES + 1):
        name = f"{rate:g}-{number}"
        run = _made(request, name, "Server", _server(request, rate) | {"time": seconds})
        _report(run, rate, console)
        if run.is_valid:
            return True
    return False


def _step_seconds(request: Request) -> float:
    return min(STEP_SECONDS, request.time or STEP_SECONDS)


def _made(request: Request, name: str, scenario: str, options: Mapping[str, object]) -> FinishedRun:
    """The run in `OUTPUT/peak`, made where it is missing or of something else."""
    planned = planned_run(request, scenario, name, request.output / "peak", options)
    found = read_run(planned.output)
    return execute(planned) if found is None or differences(planned, found) else found


def _server(request: Request, rate: float) -> dict[str, object]:
    return {"qps": rate, "max_latency": request.max_latency}


def _report(run: FinishedRun, rate: float, console: Console) -> None:
    latency = run.result["latency_ms"]
    say(
        console,
        f"  {rate:8g} queries/s  {run.result['validity']:7}  p99 {latency['p99']:.3f} ms, "
        f"{run.result['samples_per_second']:.1f} samples/s",
    )


def _rounded(rate: float) -> float:
    """To three digits, so that a search made again meets the same rates."""
    return round(rate, 2 - math.floor(math.log10(rate)))
