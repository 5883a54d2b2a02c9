"""The options of compare.py."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from mlperf_benchmark.compare.gate import BY_INTERVAL, BY_POINT
from mlperf_benchmark.compare.matrix import METRICS
from mlperf_benchmark.compare.sweeps import SWEEPS
from mlperf_benchmark.core.option_values import positive, positive_int, seed
from mlperf_benchmark.core.output_names import COMPARISON
from mlperf_benchmark.core.parser import Parser, flag
from mlperf_benchmark.core.versions import version

COMMANDS = ("check", "show", "best")
EPILOG = """\
commands on a finished comparison:
  compare.py show COMPARISON.json                       print it again
  compare.py best COMPARISON.json                       name its fastest variant
  compare.py check COMPARISON.json --against BASE.json  fail if it got worse
"""


def parse_run(arguments: Sequence[str], run_options: Sequence[str]) -> argparse.Namespace:
    """The options that measure. `run_options` are main.py's that hold for all variants."""
    parser = Parser(
        prog="compare.py",
        usage="compare.py MATRIX.toml [options]\n       compare.py --model A B [options]",
        description="Compare variants in interleaved rounds, each run a process of its own.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("matrix", nargs="?", type=Path, metavar="MATRIX.toml", help="what to compare")
    group = parser.add_argument_group(
        "instead of a matrix file; the first of each is the baseline's"
    )
    group.add_argument("--model", nargs="+", metavar="FILE", help="model files")
    group.add_argument("--backend", nargs="+", metavar="NAME", help="backends")
    group.add_argument(
        "--scenario", nargs="+", metavar="NAME", help="scenarios (default: SingleStream)"
    )
    group.add_argument(
        "--threads", nargs="+", type=positive_int, metavar="N", help="threads of the backend"
    )
    group.add_argument(
        "--streams", nargs="+", type=positive_int, metavar="N", help="inferences side by side"
    )
    group.add_argument(
        "--max-batchsize", nargs="+", type=positive_int, metavar="N", help="largest batches"
    )
    group.add_argument(
        "--qps", nargs="+", type=positive, metavar="RATE", help="rates of the scenario Server"
    )
    group = parser.add_argument_group("options of main.py, for all variants")
    for name in run_options:
        if name not in ("model", "backend", *SWEEPS):
            flags = [flag(name)]
            # Its other name, as main.py has it.
            flags += ["--layout"] if name == "data_format" else []
            group.add_argument(*flags, metavar="VALUE")
    _when_to_stop(parser)
    add = parser.add_argument_group("output").add_argument
    add(
        "--output", type=Path, metavar="DIR", help="folder (default: output/ and the matrix's name)"
    )
    add("--overwrite", action="store_true", help="measure anew instead of continuing in --output")
    add("--dry-run", action="store_true", help="print the plan with its duration and stop")
    parser.add_argument("--version", action="version", version=version())
    return parser.parse_args(arguments)


def _when_to_stop(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("comparison; overrides the matrix file").add_argument
    add("--rounds", type=positive_int, metavar="N", help="run exactly N rounds")
    add(
        "--precision-goal",
        type=share,
        metavar="SHARE",
        help="else run until every interval is as narrow as this (default: 3%%)",
    )
    add(
        "--max-time",
        type=positive,
        metavar="SECONDS",
        help="and start no round that would end later (default: 900)",
    )
    add(
        "--queries-per-turn",
        type=positive_int,
        metavar="N",
        help="run variants side by side in turns of N queries (SingleStream, MultiStream)",
    )
    add(
        "--tests-per-run",
        type=positive_int,
        metavar="N",
        help="run variants side by side, each run N short tests that take turns (Server, Offline)",
    )
    add("--metric", metavar="NAME", help=f"one of {', '.join(METRICS)} (default: p50)")
    _best(parser)
    add("--seed", type=seed, metavar="N", help="seed of the order and the bootstrap (default: 0)")
    add("--no-accuracy", action="store_true", help="do not measure accuracy")


def parse_check(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the gate."""
    parser = Parser(
        prog="compare.py check",
        description="Exit with status 1 if a variant got significantly worse, with 3 if one "
        "could not be judged.",
    )
    add = parser.add_argument
    add("results", type=_record, metavar="COMPARISON.json")
    add(
        "--against",
        type=_record,
        required=True,
        metavar="BASE.json",
        help="the accepted comparison",
    )
    add(
        "--max-slowdown",
        type=share,
        default=0.05,
        metavar="SHARE",
        help="largest slow-down (default: 5%%)",
    )
    add(
        "--max-accuracy-drop",
        type=points,
        default=0.5,
        metavar="POINTS",
        help="largest drop of top-1 in percentage points (default: 0.5)",
    )
    add(
        "--accuracy-by",
        choices=(BY_POINT, BY_INTERVAL),
        default=BY_POINT,
        help="point (default): fail if the drop itself is above that limit; it repeats exactly on"
        " the same images. interval: fail only if its whole 95%% interval is, so that other images"
        " would show it, too; with few images it rarely is",
    )
    add(
        "--relative",
        action="store_true",
        help="judge speed-ups over each comparison's own baseline, for results of different"
        " machines or days",
    )
    add(
        "--junit",
        type=Path,
        metavar="FILE",
        help="JUnit file (default: junit.xml beside COMPARISON.json)",
    )
    return parser.parse_args(arguments)


def _record(text: str) -> Path:
    """The record's file, also where its folder is named."""
    path = Path(text)
    return path / COMPARISON if path.is_dir() else path


def parse_show(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of show."""
    parser = Parser(prog="compare.py show", description="Print a finished comparison again.")
    parser.add_argument("results", type=_record, metavar="COMPARISON.json")
    return parser.parse_args(arguments)


def parse_best(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of best."""
    parser = Parser(
        prog="compare.py best",
        description="Name the fastest variant of a finished comparison. Exit status 1 if a "
        "scenario has none to name.",
    )
    parser.add_argument("results", type=_record, metavar="COMPARISON.json")
    _best(parser)
    return parser.parse_args(arguments)


def _best(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the fastest variant").add_argument
    add(
        "--best",
        metavar="CONSTRAINT",
        help='limits to keep, such as "accuracy_drop <= 0.5, memory_mb <= 100" (names as in '
        "results.csv; default: accuracy_drop <= 0.5 if accuracy was measured), or none",
    )
    add("--best-by", metavar="NAME", help="metric (default: that of the comparison)")


def share(text: str) -> float:
    """5% or 0.05."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'"{text}" is not a share; write 5%') from error
    if not 0 <= value < 1:
        way_out = f"write {text}%" if 1 <= value < 100 and "%" not in text else "write 5%"
        raise argparse.ArgumentTypeError(f'"{text}" is not a share below 1; {way_out}')
    return value


def points(text: str) -> float:
    """Percentage points, from 0 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a number of percentage points, from 0 to 100; write 0.5'
        )
    return value
