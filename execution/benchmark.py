"""One run: prepare the data, load the model, probe it, let LoadGen test it, write the result."""

from pathlib import Path

import numpy as np
from rich.console import Console

from backend import BACKENDS, Backend, BackendConfig, BackendInfo
from commandline.progress import clock, progress_line
from contracts.config import RunConfig
from contracts.errors import ModelError, UsageError
from dataset import DATASETS, Dataset, DatasetConfig, DatasetInfo
from execution.estimate import expected_seconds
from execution.record import Outcome, build_result, describe_model
from loadgen.accuracy_log import read_predictions
from loadgen.detail_log import performance, read_detail_log
from loadgen.monitor import RunMonitor
from loadgen.probe import probe, warm_up
from loadgen.samples import SampleLibrary
from loadgen.session import Session
from loadgen.settings import build_settings, rules
from loadgen.sut import sut_for
from loadgen.user_conf import read_user_conf
from modelfiles.description import ModelDescription, read_description
from results.accuracy import label_offset_hint, top1
from results.folder import OutputFolder
from results.schema import Result
from results.summary import print_summary
from results.warnings import offset_warning, setup_warnings, validity_warnings
from system.cpus import usable_cpus

# Scenarios whose queries come one at a time: what counts is the latency of a single inference.
SINGLE = ("SingleStream",)
CLASSES_WITH_BACKGROUND = 1001


class Benchmark:
    """Runs one configuration. A process runs one only, as LoadGen keeps global state."""

    def __init__(self, config: RunConfig, console: Console) -> None:
        self._config = config
        self._console = console

    def run(self) -> Result:
        """Run the test and write its result. Raises an error of contracts.errors otherwise."""
        config = self._config
        _check_inputs(config)
        folder = OutputFolder(config.output)
        with folder.open(config.overwrite):
            description = read_description(config.model) if config.model else None
            dataset, dataset_info = self._prepare_dataset()
            backend, info = self._load_backend(dataset)
            random = description is not None and description.has_random_weights
            warnings = setup_warnings(config, info, usable_cpus(), random)
            outcome, more = self._test(backend, info, dataset, dataset_info, folder.work)
            if random:
                outcome = without_accuracy(outcome)
            result = build_result(
                config,
                outcome,
                model=describe_model(config.model, description) if config.model else None,
                info=info,
                dataset=dataset_info,
                warnings=[*warnings, *more],
            )
            path = folder.publish(result)
        backend.close()
        print_summary(result, str(path), self._console)
        return result
