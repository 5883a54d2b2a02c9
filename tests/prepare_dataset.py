"""Prepares a data set in a process of its own: FOLDER CACHE [BYTES a file may grow to]."""

import resource
import signal
import sys
from pathlib import Path

from dataset import DATASETS, DatasetConfig
from mlperf_benchmark.core.errors import BenchmarkError


def main() -> int:
    # A shell starts background jobs with SIGINT ignored, and what they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, cache, *limit = sys.argv[1:]
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
    dataset = DATASETS.load("imagenet")(DatasetConfig(Path(folder), None, Path(cache), None))
    try:
        info = dataset.prepare()
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(f"{info.count}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
