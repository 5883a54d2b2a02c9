"""One run: prepare the data, load the model, probe it, let LoadGen test it, write the result."""

from collections.abc import Sequence
from contextlib import closing

from rich.console import Console

from backend import Remark
from mlperf_benchmark.core.cpus import usable_cpus
from mlperf_benchmark.core.errors import Interrupted, UsageError
from mlperf_benchmark.core.files import Hashes
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.images.label_list import find_label_list
from mlperf_benchmark.loadgen.accuracy_log import read_predictions
from mlperf_benchmark.loadgen.labels import label_offset
from mlperf_benchmark.loadgen.settings import check_settings, official_settings
from mlperf_benchmark.loadgen.turns import Turns
from mlperf_benchmark.loadgen.user_conf import read_user_conf
from mlperf_benchmark.models.files.calibration_list import (
    read_calibration_list,
    refuse_calibration_images,
)
from mlperf_benchmark.models.files.description import parse_description, read_description
from mlperf_benchmark.own_model.settling import settled
from mlperf_benchmark.run.accuracy import top1
from mlperf_benchmark.run.answers import Answers
from mlperf_benchmark.run.data import open_dataset
from mlperf_benchmark.run.loadgen_test import run_test
from mlperf_benchmark.run.output_folder import OutputFolder
from mlperf_benchmark.run.padding import padding_warning
from mlperf_benchmark.run.preparing import prepare
from mlperf_benchmark.run.record import build_result, describe_model, served_model
from mlperf_benchmark.run.result import Model, Result
from mlperf_benchmark.run.summary import print_summary
from mlperf_benchmark.run.warnings import (
    accuracy_warnings,
    setup_warnings,
    short_tests_warning,
    validity_warnings,
)


def run_benchmark(config: RunConfig, console: Console, turns: Turns | None = None) -> Result:
    """Run LoadGen, write and print the result. With `turns` it runs only in its turns.

    Raises a BenchmarkError if there is no result. A process has one run only (loadgen/session.py).
    """
    _check_early(config)
    hashes = Hashes()
    config, remarks = settled(config, hashes)
    folder = OutputFolder(config.output)
    try:
        return _run(config, folder, console, turns, remarks=remarks, hashes=hashes)
    except Interrupted as interruption:
        if folder.is_published:
            interruption.leaves = f"the run was finished: its result is in {config.output}"
        raise


def _run(
    config: RunConfig,
    folder: OutputFolder,
    console: Console,
    turns: Turns | None,
    *,
    remarks: Sequence[Remark],
    hashes: Hashes,
) -> Result:
    with folder.open(config.overwrite), closing(open_dataset(config)) as dataset:
        description = read_description(config.model, hashes) if config.model else None
        _refuse_calibration_images(config)
        prepared = prepare(config, dataset)
        if config.model is not None:
            model: Model | None = describe_model(config.model, description, hashes)
        else:
            model = served_model(prepared.backend)
            if model is not None and model.description is not None:
                description = parse_description(model.description)
        random_weights = description is not None and description.has_random_weights
        warnings = setup_warnings(
            config, prepared.info, usable_cpus(), description, prepared.dataset.has_labels
        )
        warnings += _tell([*remarks, *prepared.backend.remarks()], console)
        if turns is not None:
            turns.wait()
        logs = folder.test_folders(config.tests_per_run or 1)
        outcome = run_test(config.of_one_test(), prepared, logs, console, turns)
        if outcome.performance is not None:
            rate = float(outcome.log.effective("target_qps"))
            warnings += validity_warnings(outcome.performance, rate, config.user_conf)
            warnings += short_tests_warning(outcome.performance)
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
                offset = label_offset(classes, config.labels_offset)
                warnings += accuracy_warnings(accuracy, predictions, labels, classes, offset)
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
    """Raise what can be found wrong before anything long starts."""
    official_settings(config.model_name, config.scenario)
    if config.user_conf is not None:
        read_user_conf(config.user_conf, config.model_name)
        check_settings(config)
    if config.audit_conf is not None and not config.audit_conf.is_file():
        # LoadGen would silently make an ordinary run instead.
        raise UsageError(f"No file {config.audit_conf}; --audit-conf names an audit.config.")


def _tell(remarks: Sequence[Remark], console: Console) -> list[str]:
    """Print them before a run that may be long; returns those that are warnings, too."""
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
