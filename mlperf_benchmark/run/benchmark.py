"""One run: prepare the data, load the model, probe it, let LoadGen test it, write the result."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from backend import BACKENDS, Backend, BackendConfig, BackendInfo, NetworkBackend, Remark
from dataset import Dataset, DatasetInfo
from mlperf_benchmark.core.cpus import cpu_quota, usable_cpus
from mlperf_benchmark.core.errors import Interrupted, UsageError
from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.images.label_list import find_label_list
from mlperf_benchmark.loadgen.accuracy_log import read_predictions
from mlperf_benchmark.loadgen.detail_log import performance, read_detail_log, together
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
from mlperf_benchmark.loadgen.settings import build_settings, check_settings, official_settings
from mlperf_benchmark.loadgen.sut import SystemUnderTest, sut_for
from mlperf_benchmark.loadgen.turns import Turns, TurnTakingSUT
from mlperf_benchmark.loadgen.user_conf import read_user_conf
from mlperf_benchmark.models.files.calibration_list import (
    read_calibration_list,
    refuse_calibration_images,
)
from mlperf_benchmark.models.files.description import parse_description, read_description
from mlperf_benchmark.run.accuracy import top1
from mlperf_benchmark.run.answers import Answers
from mlperf_benchmark.run.cold_start import ColdStartWatch
from mlperf_benchmark.run.data import open_dataset
from mlperf_benchmark.run.estimate import check_memory, expected_seconds
from mlperf_benchmark.run.output_folder import OutputFolder
from mlperf_benchmark.run.padding import Padding, padding_warning
from mlperf_benchmark.run.progress import clock, progress_line
from mlperf_benchmark.run.record import Outcome, build_result, describe_model, served_model
from mlperf_benchmark.run.result import Model, Result
from mlperf_benchmark.run.summary import print_summary
from mlperf_benchmark.run.warnings import accuracy_warnings, setup_warnings, validity_warnings


@dataclass(frozen=True)
class Prepared:
    """What a test needs: labelled samples and a loaded model."""

    dataset: Dataset
    dataset_info: DatasetInfo
    backend: Backend
    info: BackendInfo
    watch: ColdStartWatch


def run_benchmark(config: RunConfig, console: Console, turns: Turns | None = None) -> Result:
    """Run one LoadGen test, write and print its result. With `turns` it runs in turns alone.

    Raises a BenchmarkError when there is none. A process runs one test only.
    """
    _check_early(config)
    folder = OutputFolder(config.output)
    try:
        return _run(config, folder, console, turns)
    except Interrupted as interruption:
        if folder.is_published:
            interruption.leaves = f"the run was finished: its result is in {config.output}"
        raise


def _run(config: RunConfig, folder: OutputFolder, console: Console, turns: Turns | None) -> Result:
    with folder.open(config.overwrite), closing(open_dataset(config)) as dataset:
        description = read_description(config.model) if config.model else None
        prepared = _prepare(config, dataset)
        if config.model is not None:
            model: Model | None = describe_model(config.model, description)
        else:
            model = served_model(prepared.backend)
            if model is not None and model.description is not None:
                description = parse_description(model.description)
        random_weights = description is not None and description.has_random_weights
        _refuse_calibration_images(config)
        warnings = setup_warnings(
            config, prepared.info, usable_cpus(), description, prepared.dataset.has_labels
        )
        warnings += _tell(prepared.backend.remarks(), console)
        if turns is not None:
            turns.wait()
        logs = folder.test_folders(config.tests_per_run or 1)
        outcome = _test(config.of_one_test(), prepared, logs, console, turns)
        if outcome.performance is not None:
            rate = float(outcome.log.effective("target_qps"))
            warnings += validity_warnings(
                outcome.performance, rate, config.user_conf, config.tests_per_run or 1
            )
            warnings += padding_warning(config, prepared.info, outcome.padding)
        if outcome.network is not None:
            warnings += outcome.network.warnings
        answers = None
        if config.accuracy:
            predictions = read_predictions(folder.work, prepared.dataset_info.count)
            has_claim = prepared.dataset.has_labels and not random_weights
            labels = prepared.dataset.labels if has_claim else None
            names = tuple(prepared.dataset.names)
            answers = Answers(predictions, names, labels, outcome.scores)
            if labels is not None:
                accuracy = top1(predictions, labels)
                outcome = outcome.with_accuracy(accuracy)
                classes = prepared.info.classes
                warnings += accuracy_warnings(accuracy, predictions, labels, classes)
        result = build_result(
            config,
            outcome,
            model=model,
            info=prepared.info,
            dataset=prepared.dataset_info,
            warnings=warnings,
        )
        path = folder.publish(result, answers)
    prepared.backend.close()
    print_summary(result, str(path), console)
    return result


def _check_early(config: RunConfig) -> None:
    """Find out before anything long starts."""
    official_settings(config.model_name, config.scenario)
    if config.user_conf is not None:
        read_user_conf(config.user_conf, config.model_name)
        check_settings(config)
    if config.audit_conf is not None and not config.audit_conf.is_file():
        # LoadGen would silently make a plain run of it.
        raise UsageError(f"No file {config.audit_conf}; --audit-conf names an audit.config.")


def _prepare(config: RunConfig, dataset: Dataset) -> Prepared:
    backend: Backend = BACKENDS.load(config.backend)(
        BackendConfig(
            model=config.model,
            image=dataset.image,
            goal="latency" if config.scenario == "SingleStream" else "throughput",
            max_batch_size=config.max_batchsize,
            variable_batch=config.scenario == "Server",
            threads=config.threads or _threads_of_quota(),
            streams=config.streams,
            precision=config.precision,
            inputs=config.inputs,
            outputs=config.outputs,
            data_format=config.data_format,
            cache_dir=config.cache_dir,
            model_cache=config.model_cache,
            network=config.network,
            execution_provider=config.execution_provider,
            takes_turns=config.queries_per_turn is not None,
        )
    )
    # The model first: it takes a second to find fault with, preprocessing may take an hour.
    watch = ColdStartWatch(backend)
    info = watch.load()
    return Prepared(dataset, dataset.prepare(), backend, info, watch)


def _tell(remarks: Sequence[Remark], console: Console) -> list[str]:
    """Say them before a run that may be long; returns those that belong to its warnings."""
    for remark in remarks:
        say(console, f"Note: {remark.text}")
    return [remark.text for remark in remarks if remark.is_doubtful]


def _refuse_calibration_images(config: RunConfig) -> None:
    """Accuracy on images that the model was calibrated with would be too good."""
    if not (config.accuracy and config.model and config.dataset_path):
        return
    calibrated = read_calibration_list(config.model)
    if calibrated:
        found = find_label_list(config.dataset_path, config.dataset_list, config.count)
        refuse_calibration_images(calibrated, [config.dataset_path / name for name in found.names])


def _threads_of_quota() -> int | None:
    """Runtimes see the machine's cores; in a container with a quota they would start too many."""
    return None if cpu_quota() is None else usable_cpus()


def _test(
    config: RunConfig,
    prepared: Prepared,
    logs: Sequence[Path],
    console: Console,
    turns: Turns | None,
) -> Outcome:
    count = prepared.dataset_info.count
    images = _first_batch(config, prepared)
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
    batch = _batch(config, prepared.info)
    offset = label_offset(prepared.info.classes)
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
    network = sut.report() if isinstance(sut, QueryDispatchLibrary) else None
    differences = network.differences if network else ()
    if len(tests) > 1:
        differences += (f"{len(tests)} tests with pauses between them",)
    elif turns is not None and turns.queries:
        differences += (f"a pause after every {turns.queries} queries",)
    return Outcome(
        log=log,
        rules=rules(log, config.model_name).with_modifications(differences),
        performance=None
        if config.accuracy
        else together([performance(test, paused=turns is not None) for test in tests]),
        accuracy=None,
        network=network,
        padding=Padding(padded=answering.padded, answered=monitor.answered),
        cold_start=cold_start,
        memory=prepared.watch.memory() if is_local else None,
        scores=answering.recorder.scores() if answering.recorder else None,
    )


def _batch(config: RunConfig, info: BackendInfo) -> int:
    """As many as was asked for, even where a model of a larger fixed batch pads."""
    return min(config.max_batchsize or info.max_batch_size, info.max_batch_size)


def _first_batch(config: RunConfig, prepared: Prepared) -> Images:
    batch = _batch(config, prepared.info)
    load = prepared.backend.sample_loader(prepared.dataset)
    return load([place % prepared.dataset_info.count for place in range(batch)])


def _probe(config: RunConfig, prepared: Prepared, images: Images) -> Probe:
    requests = prepared.info.requests
    if isinstance(prepared.backend, NetworkBackend):
        # Once is enough for a connection, and what waits at a slow node takes its time.
        requests = max(1, requests // WARM_UP_RUNS)
    warm_up(prepared.backend, images, requests)
    # With a number of queries LoadGen makes up just these, whatever speed it expects; only
    # Server's default rate comes from the probe all the same.
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
