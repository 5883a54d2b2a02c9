"""The options of submission.py: its own, and those that every run is made with."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from backend import BACKENDS, NetworkBackend
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.files import Hashes
from mlperf_benchmark.core.option_values import duration, positive, positive_int
from mlperf_benchmark.core.parser import Parser, flag
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.run_config import SCENARIOS
from mlperf_benchmark.run.options import (
    add_data_options,
    add_model_options,
    add_runtime_options,
)
from mlperf_benchmark.submit.rules import DEFAULT_VERSION, DIVISIONS, REQUIRED_SCENARIOS, VERSIONS
from profiles import profile

DESCRIPTION = """Make a complete MLPerf Inference submission tree: make the missing
performance, accuracy and compliance runs, and assemble the tree in OUTPUT/tree."""

OF_A_TREE = ("division", "system", "scenarios", "runs", "rehearsal", "plan", "user_conf", "version")
APPLICABLE: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "check": lambda name: name == "version",
        "find_peak": lambda name: name not in OF_A_TREE,
        "runs": lambda name: name in (*OF_A_TREE, "output") and name not in ("plan", "user_conf"),
    }
)
"""Which options go with a task other than making runs and a tree."""


@dataclass(frozen=True)
class Request:
    """What was asked for. `run_options` go to main.py as they are, by their names there.

    `time` is in seconds; None means as long as the rules want it. `hashes` are kept as long as the
    request, as all its runs are of one model.
    """

    check: Path | None
    find_peak: bool
    version: str
    division: str
    system: Path
    scenarios: tuple[str, ...]
    runs: Path | None
    time: float | None
    rehearsal: bool
    plan: bool
    user_conf: Path | None
    max_latency: float | None
    output: Path
    run_options: argparse.Namespace
    hashes: Hashes = field(default_factory=Hashes)

    @property
    def is_rehearsal(self) -> bool:
        """Whether the runs are shorter than the rules want them."""
        return self.time is not None


def parse(arguments: Sequence[str]) -> Request:
    """Parse the command line. Raises UsageError."""
    of_runs = Parser(add_help=False)
    add_model_options(of_runs)
    add_data_options(of_runs)
    add_runtime_options(of_runs)
    of_runs.add_argument(
        "--max-batchsize", type=positive_int, metavar="N", help="largest batch of an inference"
    )
    parser = Parser(prog="submission.py", description=DESCRIPTION, parents=[of_runs])
    _task(parser)
    _submission(parser)
    values = vars(parser.parse_args(arguments))
    _refuse([name for name, value in values.items() if value != parser.get_default(name)])
    run_options = {name: values.pop(name) for name in vars(of_runs.parse_args([]))}
    values["scenarios"] = _scenarios(values["scenarios"])
    _check_backend(run_options["backend"], run_options["profile"])
    request = Request(**values, run_options=argparse.Namespace(**run_options))
    if request.division == "closed":
        _check_closed(request)
    return request


def _refuse(given: Sequence[str]) -> None:
    """Raises UsageError for an option that would do nothing."""
    task = next((name for name in APPLICABLE if name in given), None)
    for name in given:
        if task is None and name == "max_latency":
            raise UsageError(
                "--max-latency applies to --find-peak only: submissions keep MLPerf's bound."
            )
        if task is None or name == task:
            continue
        if not APPLICABLE[task](name):
            raise UsageError(f"{flag(name)} does not apply to {flag(task)}.")


def _task(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("task (default: make the tree)").add_argument
    add(
        "--plan",
        action="store_true",
        help="only print the runs, with durations if earlier probes tell them; run and write "
        "nothing",
    )
    add("--check", type=Path, metavar="TREE", help="check a tree by our own rules")
    add(
        "--find-peak",
        action="store_true",
        help="search for the highest VALID Server rate, for your own use",
    )


def _submission(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("submission").add_argument
    add("--division", choices=DIVISIONS, default="open", help="default: %(default)s")
    add(
        "--system",
        type=Path,
        default=Path("system.toml"),
        metavar="FILE",
        help="what the machine cannot tell about itself; written as a template if it is missing "
        "(default: %(default)s)",
    )
    add(
        "--scenarios",
        metavar="LIST",
        default=",".join(REQUIRED_SCENARIOS),
        help="default: %(default)s",
    )
    add("--runs", type=Path, metavar="DIR", help="assemble runs found in DIR instead of making any")
    add("--time", type=duration, metavar="SECONDS", help="rehearse with runs of this length")
    add(
        "--rehearsal",
        action="store_true",
        help="mark the tree as a rehearsal; allows what the closed division does not: --time, "
        "only some scenarios",
    )
    add(
        "--user-conf",
        type=Path,
        metavar="FILE",
        help="LoadGen user.conf (default: OUTPUT/user.conf, written from a probe if missing)",
    )
    add(
        "--max-latency",
        type=positive,
        metavar="SECONDS",
        help="Server's latency bound in --find-peak",
    )
    add(
        "--version",
        choices=sorted(VERSIONS),
        default=DEFAULT_VERSION,
        help="version of the rules that --check applies (default: %(default)s)",
    )
    add(
        "--output",
        type=Path,
        default=Path("output/submission"),
        metavar="DIR",
        help="folder of runs and tree (default: ./%(default)s)",
    )


def _scenarios(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    return tuple(dict.fromkeys(known_name("scenario", name, SCENARIOS) for name in names))


def _check_backend(backend: str | None, profile_name: str | None) -> None:
    if backend is None and profile_name is not None:
        backend = profile(profile_name).backend
    if backend is not None and issubclass(BACKENDS.load(backend), NetworkBackend):
        raise UsageError(
            f"submission.py makes submissions of one machine, not of the {backend} backend. "
            "main.py makes the runs; ResNet-50 over a network can be submitted to the open "
            "division alone, with documents about every node and the way to it."
        )


def _check_closed(request: Request) -> None:
    extra = [name for name in request.scenarios if name not in REQUIRED_SCENARIOS]
    if extra:
        raise UsageError(
            f"{', '.join(extra)} is not a scenario of ResNet-50 in the closed division: for an "
            f"edge system its checkers take {', '.join(REQUIRED_SCENARIOS)} and nothing else. Use "
            "--division open."
        )
    if request.rehearsal:
        return
    if request.time is not None:
        raise UsageError(
            "--time makes runs that the closed division does not accept: leave it out, or add "
            "--rehearsal for a tree that is marked as one."
        )
    missing = [name for name in REQUIRED_SCENARIOS if name not in request.scenarios]
    if missing:
        raise UsageError(
            f"The closed division needs {', '.join(missing)}, too: leave --scenarios out, or add "
            "--rehearsal for a tree that is marked as one."
        )
