"""Short runs that tell what to expect, and the user.conf made from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.core.files import staged
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.loadgen.probe import Probe
from mlperf_benchmark.loadgen.settings import LATENCY_SLACK, MS, build_settings
from mlperf_benchmark.run.estimate import expected_seconds
from mlperf_benchmark.submit.executing import differences, execute
from mlperf_benchmark.submit.finished_run import FinishedRun, read_run
from mlperf_benchmark.submit.options import Request
from mlperf_benchmark.submit.plan import PlannedRun, planned_run
from mlperf_benchmark.submit.rules import PERFORMANCE

SECONDS = 3.0
# Importing the runtime, loading the model and the harness's own warm-up, at the least.
START_SECONDS = 5.0
# The fewest, if none is late, for the percentiles of MLPerf's rules: p90, p99, p99.
EARLY_STOPPING_QUERIES = MappingProxyType({"SingleStream": 64, "MultiStream": 662, "Server": 662})
# More than a run allows that probes itself: hours may lie between this probe and the last run.
OFFLINE_SLACK = 1.25


@dataclass(frozen=True)
class Expectation:
    """What a probe showed. `latency` is of a query in seconds."""

    scenario: str
    latency: float
    samples_per_second: float
    target_qps: float
    sample_count: int

    def seconds(self, config: RunConfig) -> float:
        """How long a run of that configuration takes."""
        return START_SECONDS + self._expected(config)[0]

    def too_short(self, config: RunConfig) -> str | None:
        """Why a performance run cannot be VALID at the speed of the probe, with the way out."""
        if config.accuracy:
            return None
        expected, shortest = self._expected(config)
        if config.scenario == "Offline":
            # Its one query is made for the rate that user.conf expects.
            ends_early = expected < shortest
            return "too short to be VALID: raise target_qps in user.conf" if ends_early else None
        queries = EARLY_STOPPING_QUERIES[config.scenario]
        is_server = config.scenario == "Server"
        seconds = queries / self.target_qps if is_server else queries * self.latency
        if config.time is None or seconds <= config.time:
            return None
        wanted = math.ceil(1.2 * seconds)
        return f"too short for {queries} queries, so not VALID: --time {wanted} would do"

    def _expected(self, config: RunConfig) -> tuple[float, float]:
        """Seconds of the test, and those that LoadGen wants at the least."""
        probe = Probe(self.latency, self.samples_per_second)
        settings = build_settings(config, self.sample_count, probe)
        expected = expected_seconds(config, settings, self.sample_count, probe)
        return expected, settings.min_duration_ms / MS


def probes(request: Request) -> list[PlannedRun]:
    """One short run a scenario."""
    folder = request.output / "probes"
    seconds = min(SECONDS, request.time or SECONDS)
    return [
        planned_run(request, scenario, PERFORMANCE, folder, {"time": seconds})
        for scenario in request.scenarios
    ]


def probed(run: PlannedRun) -> Expectation | None:
    """What a probe showed; None where it is still to be made."""
    done = read_run(run.output)
    return None if done is None or differences(run, done) else _expectation(done)


def expectation(run: PlannedRun) -> Expectation:
    """What a probe showed, which is made if it is missing."""
    return probed(run) or _expectation(execute(run))


def _expectation(done: FinishedRun) -> Expectation:
    timing = done.result.timing
    return Expectation(
        scenario=done.scenario,
        latency=timing.latency_ms["mean"] / MS,
        samples_per_second=timing.samples_per_second,
        target_qps=_target_qps(done),
        sample_count=done.result.dataset.count,
    )


def write_user_conf(path: Path, model_name: str, expected: Sequence[Expectation]) -> None:
    """Write what LoadGen is to expect. The file is the submitter's from then on."""
    lines = ["# From short probes; change what you know better, it will not be overwritten.\n"]
    for one in expected:
        lines += [
            f"{model_name}.{one.scenario}.{key} = {value:.6g}\n"
            for key, value in _targets(one).items()
        ]
    with staged(path.parent) as folder:
        (folder / path.name).write_text("".join(lines), encoding="utf-8")


def _targets(one: Expectation) -> Mapping[str, float]:
    if one.scenario in ("SingleStream", "MultiStream"):
        # In milliseconds; the harness says why half of it.
        return {"target_latency": one.latency * LATENCY_SLACK * MS}
    if one.scenario == "Offline":
        return {"target_qps": one.samples_per_second * OFFLINE_SLACK}
    return {"target_qps": one.target_qps}


def _target_qps(run: FinishedRun) -> float:
    return float(run.log.effective("target_qps"))
