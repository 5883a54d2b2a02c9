"""Command lines, whose faults are reported as every other error."""

import argparse
from typing import NoReturn

from mlperf_benchmark.core.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Reports bad usage as an error of ours, so that it looks like every other one."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")
