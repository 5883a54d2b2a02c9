"""LoadGen's test of a backend: probe, settings, SUT and QSL, and what the logs say."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from backend import NetworkBackend
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.loadgen.detail_log import Performance, performance, read_detail_log
from mlperf_benchmark.loadgen.labels import label_offset
from mlperf_benchmark.loadgen.monitor import RunMonitor
from mlperf_benchmark.loadgen.probe import (
    QUICK_SECONDS,
    SECONDS,
    WARM_UP_RUNS,
    Probe,
    probe,
    warm_up,
)
from mlperf_benchmark.loadgen.qdl import QueryDispatchLibrary
from mlperf_benchmark.loadgen.rules import rules
from mlperf_benchmark.loadgen.samples import SampleLibrary
from mlperf_benchmark.loadgen.score_recorder import ScoreRecorder
from mlperf_benchmark.loadgen.session import Session
from mlperf_benchmark.loadgen.settings import build_settings
from mlperf_benchmark.loadgen.several_tests import together
from mlperf_benchmark.loadgen.sut import SystemUnderTest, sut_for
from mlperf_benchmark.loadgen.turns import Turns, TurnTakingSUT
from mlperf_benchmark.run.estimate import check_memory, expected_seconds
from mlperf_benchmark.run.padding import Padding
from mlperf_benchmark.run.preparing import Prepared
from mlperf_benchmark.run.progress import clock, progress_line
from mlperf_benchmark.run.record import Outcome


def run_test(
    config: RunConfig,
    prepared: Prepared,
    logs: Sequence[Path],
    console: Console,
    turns: Turns | None,
) -> Outcome:
    """Probe what to expect, then let LoadGen test the system: a test for each folder of `logs`."""
    count = prepared.dataset_info.count
    images = prepared.first_batch()
    is_local = not isinstance(prepared.backend, NetworkBackend)
    cold_start = prepared.watch.first_answer(images) if is_local else None
    probed = _probe(config, prepared, images)
    prepared.watch.warmed_up()
    settings = build_settings(config, count, probed)
    check_memory(config, settings, count)
    seconds = len(logs) * expected_seconds(config, settings, count, probed)
    _announce(config, seconds, probed, console)
    monitor = RunMonitor()
    backend = prepared.backend
    samples = SampleLibrary(backend.sample_loader(prepared.dataset), count)
    batch = prepared.batch
    offset = label_offset(prepared.info.classes, config.labels_offset)
    sut: SystemUnderTest
    if isinstance(backend, NetworkBackend):
        sut = QueryDispatchLibrary(backend, samples, monitor, offset)
    else:
        sut = sut_for(config.scenario, batch)(backend, samples, monitor, batch, offset)
    answering = sut
    if config.accuracy:
        sut.recorder = ScoreRecorder(count, offset)
    if turns is not None:
        requests = 0 if config.scenario == "SingleStream" else prepared.info.requests
        resume = partial(warm_up, backend, images, requests, runs=1)
        sut = TurnTakingSUT(sut, monitor, turns, resume)
    session = Session(sut, samples, monitor, count)
    with progress_line(seconds) as watch:
        session.run(settings, logs, config.audit_conf, watch)
    tests = [read_detail_log(folder) for folder in logs]
    log = tests[0]
    figures: Performance | None = None
    if not config.accuracy:
        figures = performance(log, turns is not None) if len(tests) == 1 else together(tests)
    network = sut.report() if isinstance(sut, QueryDispatchLibrary) else None
    differences = network.differences if network else ()
    if len(tests) > 1:
        differences += (f"{len(tests)} tests with pauses between them",)
    elif turns is not None and turns.queries:
        differences += (f"a pause after every {turns.queries} queries",)
    return Outcome(
        log=log,
        rules=rules(log, config.model_name).with_modifications(differences),
        performance=figures,
        accuracy=None,
        network=network,
        padding=Padding(padded=answering.padded, answered=monitor.answered),
        cold_start=cold_start,
        memory=prepared.watch.memory() if is_local else None,
        scores=answering.recorder.scores() if answering.recorder else None,
    )


def _probe(config: RunConfig, prepared: Prepared, images: Images) -> Probe:
    requests = prepared.info.requests
    if isinstance(prepared.backend, NetworkBackend):
        # One request is enough to connect, and a queue at a slow node would take long.
        requests = max(1, requests // WARM_UP_RUNS)
    warm_up(prepared.backend, images, requests)
    # With --queries LoadGen prepares just these, whatever speed it expects; only Server's default
    # rate still comes from the probe.
    quick = config.queries is not None and config.scenario != "Server"
    return probe(
        prepared.backend,
        images,
        single=config.scenario == "SingleStream",
        seconds=QUICK_SECONDS if quick else SECONDS,
    )


def _announce(config: RunConfig, seconds: float, probed: Probe, console: Console) -> None:
    mode = "accuracy" if config.accuracy else "performance"
    say(
        console,
        f"{config.scenario} {mode} run, about {clock(seconds)} "
        f"(the probe reached {probed.samples_per_second:.1f} samples/s).",
    )
