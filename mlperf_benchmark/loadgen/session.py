"""Runs LoadGen tests, watched from the main thread.

LoadGen cannot be interrupted, and its issue loop runs in the thread that starts the test. It
therefore gets a thread of its own; when the run fails or is interrupted that thread is left
behind, and the process must end through `os._exit` (see mlperf_benchmark.core.process).
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlperf_loadgen as lg

from mlperf_benchmark.core.errors import BenchmarkError, InferenceError
from mlperf_benchmark.loadgen.monitor import RunMonitor
from mlperf_benchmark.loadgen.samples import SampleLibrary
from mlperf_benchmark.loadgen.sut import SystemUnderTest

Watcher = Callable[[int], None]
"""Told the number of samples answered, about once a second."""

TICK_SECONDS = 1.0
# A signal that another thread took is handled only when the main thread wakes.
HEED_SECONDS = 1.0


class Session:
    """Tests with one system under test and the same settings.

    A process has one session only: LoadGen reads its rules into global state.
    """

    def __init__(
        self,
        sut: SystemUnderTest,
        samples: SampleLibrary,
        monitor: RunMonitor,
        sample_count: int,
    ) -> None:
        self._sut = sut
        self._samples = samples
        self._monitor = monitor
        self._sample_count = sample_count

    def run(
        self,
        settings: Any,
        log_folders: Sequence[Path],
        audit_conf: Path | None,
        watch: Watcher | None,
    ) -> None:
        """Run a test into each folder. Raises InferenceError for the first failure of the backend.

        The folders must exist: without one LoadGen aborts the process.
        """
        arguments = (settings, log_folders, audit_conf)
        thread = threading.Thread(target=self._tests, args=arguments, name="loadgen", daemon=True)
        thread.start()
        timeout = TICK_SECONDS if watch else HEED_SECONDS
        while not self._monitor.wait(timeout):
            if watch:
                watch(self._monitor.answered)
        error = self._monitor.error
        if error is not None:
            if isinstance(error, BenchmarkError):
                raise error
            reason = str(error).strip() or type(error).__name__
            raise InferenceError(f"The run failed: {reason}") from error
        thread.join()
        self._sut.close()

    def _tests(self, settings: Any, log_folders: Sequence[Path], audit_conf: Path | None) -> None:
        try:
            for number, folder in enumerate(log_folders):
                # Arrivals of their own: together the tests are to tell of more than one schedule.
                settings.schedule_rng_seed += bool(number)
                self._test(settings, folder, audit_conf)
        except BaseException as error:  # noqa: BLE001 - the main thread reports it
            self._monitor.fail(error)
        else:
            self._monitor.finish()

    def _test(self, settings: Any, log_folder: Path, audit_conf: Path | None) -> None:
        sut = self._sut.construct()
        count = self._sample_count
        qsl = lg.ConstructQSL(
            count,
            min(count, settings.performance_sample_count_override),
            self._load,
            self._samples.unload,
        )
        log_settings = lg.LogSettings()
        log_settings.log_output.outdir = os.fsencode(log_folder)
        # The trace holds every event: hundreds of megabytes in a fast run.
        log_settings.enable_trace = False
        # An audit.config in the working directory must not turn a run into another one.
        audit = log_folder / "audit.config"
        if audit_conf is not None:
            # LoadGen trips over a byte order mark.
            audit.write_text(audit_conf.read_text(encoding="utf-8-sig"), encoding="utf-8")
        lg.StartTestWithLogSettings(sut, qsl, settings, log_settings, os.fsencode(audit))
        lg.DestroyQSL(qsl)
        self._sut.destruct(sut)

    def _load(self, indices: list[int]) -> None:
        try:
            self._samples.load(indices)
        except BaseException as error:  # noqa: BLE001 - nothing may reach LoadGen's C++ frames
            self._monitor.fail(error)
