"""The options of `prepare.py sensitivity`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.parser import Parser
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.models.optimize.config import CRITERIA
from mlperf_benchmark.models.prepare.shared_options import add_calibration, add_model

SUBCOMMAND = "sensitivity"


@dataclass(frozen=True)
class SensitivityRun:
    """One measurement. Without `validation_path` it counts agreement on the calibration images."""

    model: str
    weights: str
    method: str = "l2"
    calibration_path: Path | None = None
    calibration_count: int | None = None
    validation_path: Path | None = None
    output: Path = Path("sensitivity")
    seed: int = 0
    cache_dir: Path = Path("cache")
    overwrite: bool = False

    def __post_init__(self) -> None:
        known_name(CRITERIA.kind, self.method, CRITERIA.names())


def parse(arguments: Sequence[str]) -> SensitivityRun:
    """Read the command line behind the word sensitivity. Raises UsageError."""
    parser = Parser(
        prog=f"prepare.py {SUBCOMMAND}",
        description="Measure what top-1, or agreement with the unpruned model, becomes when each"
        " layer alone loses 25, 50 and 75 % of its channels. Continues where it was interrupted.",
        argument_default=argparse.SUPPRESS,
    )
    add_model(parser)
    add = parser.add_argument
    add(
        "--prune-method",
        dest="method",
        metavar="NAME",
        help=f"which channels go first: {', '.join(CRITERIA.names())} (default: l2)",
    )
    add_calibration(parser, "batch-norm statistics")
    add(
        "--validation-path",
        type=Path,
        metavar="DIR",
        help="images to count on: top-1 if they are labelled, else agreement with the unpruned"
        " model (default: agreement on the calibration images)",
    )
    add("--output", type=Path, help="folder (default: sensitivity)")
    add(
        "--overwrite",
        action="store_true",
        help="start anew in a folder that holds another measurement",
    )
    return SensitivityRun(**vars(parser.parse_args(arguments)))
