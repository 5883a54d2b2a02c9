"""What compare.py does: measure, check, show, or name the best."""

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from mlperf_benchmark.compare.best import answers, check_best
from mlperf_benchmark.compare.gate import Limits, judge
from mlperf_benchmark.compare.intervals import MIN_ROUNDS
from mlperf_benchmark.compare.junit import render as render_junit
from mlperf_benchmark.compare.layers import explain_layers
from mlperf_benchmark.compare.making import is_made, make_missing
from mlperf_benchmark.compare.matrix import METRICS, Matrix, Stopping
from mlperf_benchmark.compare.matrix_checks import check_course
from mlperf_benchmark.compare.matrix_file import (
    AXES,
    matrix_from_axes,
    read_matrix,
    run_option_names,
)
from mlperf_benchmark.compare.options import (
    COMMANDS,
    parse_best,
    parse_check,
    parse_run,
    parse_show,
)
from mlperf_benchmark.compare.output.registry import export
from mlperf_benchmark.compare.output.terminal import print_comparison
from mlperf_benchmark.compare.plan import Plan, make_plan
from mlperf_benchmark.compare.record import Comparison, read_comparison
from mlperf_benchmark.compare.runner import Runner
from mlperf_benchmark.compare.store import Store
from mlperf_benchmark.compare.summarize import summarize
from mlperf_benchmark.compare.sweeps import SWEEPS
from mlperf_benchmark.core.errors import BenchmarkError, RunError, UsageError
from mlperf_benchmark.core.files import staged, write_text
from mlperf_benchmark.core.legible import legible
from mlperf_benchmark.core.parser import flag
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.terminal import say, warn
from mlperf_benchmark.run.progress import clock

FAILED, INVALID = 1, 3
PROGRAM = Path(__file__).parents[2] / "main.py"


def main() -> int:
    """Exit status 0, 1 where a variant failed or the gate found one worse, 3 for INVALID runs or
    where the gate could not judge.
    """
    return compare(sys.argv[1:], PROGRAM, Console())


def compare(arguments: Sequence[str], program: Path, console: Console) -> int:
    """Run the command line. `program` is main.py. Returns the exit status."""
    if arguments:
        _refuse_unknown_command(arguments[0])
    if arguments and arguments[0] == COMMANDS[0]:
        return _check(parse_check(arguments[1:]), console)
    if arguments and arguments[0] == COMMANDS[1]:
        print_comparison(read_comparison(parse_show(arguments[1:]).results), console)
        return 0
    if arguments and arguments[0] == COMMANDS[2]:
        return _best(parse_best(arguments[1:]), console)
    options = parse_run(arguments, run_option_names())
    matrix = _matrix(options)
    plan = make_plan(matrix)
    _check_models(plan)
    _check_time(plan)
    output = options.output or Path("output", _folder_name(options))
    if options.dry_run:
        _print_plan(plan, output, console)
        return 0
    _check_image_folders(plan)
    plan = make_plan(make_missing(matrix, program.with_name("prepare.py"), console))
    return _status(measure(plan, output, options.overwrite, program, console))


def _refuse_unknown_command(word: str) -> None:
    """A matrix is a file and has an ending."""
    if not word.startswith("-") and not Path(word).suffix and not Path(word).exists():
        known_name("command or matrix file", word, COMMANDS)


def _check_models(plan: Plan) -> None:
    """Refuse a missing file now. A file that is no model fails later, and alone."""
    made = {variant.name for variant in plan.matrix.variants if variant.making is not None}
    for cell in plan.cells:
        model = None if cell.variant in made else cell.options.model
        if model is not None and not model.is_file():
            raise UsageError(
                f'Variant "{cell.variant}": there is no model {model}; prepare.py makes '
                "model files."
            )


def _check_image_folders(plan: Plan) -> None:
    for cell in plan.cells:
        images = cell.options.dataset_path
        if images is not None and not images.is_dir():
            raise UsageError(
                f'Variant "{cell.variant}": there is no folder of images {images}; '
                "dataset_path names one."
            )
    for variant in plan.matrix.variants:
        for folder in variant.making.image_folders if variant.making else ():
            if not folder.is_dir():
                raise UsageError(f'Recipe "{variant.name}": there is no folder of images {folder}.')


def _check_time(plan: Plan) -> None:
    """Refuse a comparison that would end before it had enough rounds for an interval."""
    stopping, seconds = plan.matrix.stopping, plan.round_seconds()
    if stopping.rounds is None and seconds is not None:
        needed = MIN_ROUNDS * seconds
        if needed > stopping.max_time:
            raise UsageError(
                f"{MIN_ROUNDS} rounds, the fewest that give an interval, take about "
                f"{clock(needed)}, and --max-time is {clock(stopping.max_time)}. Give shorter runs "
                f"with --time, or a longer --max-time, or a number of --rounds."
            )


def measure(
    plan: Plan, output: Path, overwrite: bool, program: Path, console: Console
) -> Comparison:
    """Run the plan, or what is left of it, and write and print the comparison."""
    store = Store(output)
    with store.open(plan, overwrite):
        measured = Runner(plan, store, program, console).run()
        comparison = summarize(
            plan,
            measured.rounds,
            store,
            measured.accuracy,
            stopped=measured.stopped,
            command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        )
        if plan.matrix.explain:
            explanation = explain_layers(comparison, output, program.with_name("explain.py"))
            comparison = dataclasses.replace(comparison, explanation=explanation)
        exported = export(comparison, output)
    print_comparison(comparison, console)
    for path in exported.paths:
        say(console, f"Result: {path}")
    for name, error in exported.failures.items():
        reason = str(error) if isinstance(error, BenchmarkError) else f"{error!r}."
        raise RunError(
            f"{output / name} could not be written: {reason} The rounds are kept; the same command "
            "writes it again."
        ) from error
    return comparison


def _status(comparison: Comparison) -> int:
    if comparison.failed:
        return FAILED
    return INVALID if comparison.invalid else 0


def _matrix(options: argparse.Namespace) -> Matrix:
    run = {name: vars(options)[name] for name in run_option_names() if name not in AXES}
    given = {name: value for name, value in run.items() if value is not None}
    axes = {axis: vars(options)[axis] for axis in AXES if vars(options)[axis]}
    for name in list(axes):
        # One value is the same for all, and in no name; threads always were.
        if name in SWEEPS and name != "threads" and len(axes[name]) == 1:
            given[name] = axes.pop(name)[0]
    if options.matrix is not None:
        for name in (*axes, *given):
            raise UsageError(
                f"{flag(name)} cannot stand beside {options.matrix}: put options of the runs into "
                "the matrix file."
            )
        matrix = read_matrix(options.matrix)
    elif all(len(values) < 2 for axis, values in axes.items() if axis != "scenario"):
        raise UsageError(
            "Say what to compare: MATRIX.toml, or two values of --model, --backend, --threads, "
            "--streams, --max-batchsize or --qps. See --help."
        )
    else:
        matrix = matrix_from_axes(axes, MappingProxyType(given), "comparison")
    return _overridden(matrix, options)


def _overridden(matrix: Matrix, options: argparse.Namespace) -> Matrix:
    if options.metric is not None:
        known_name("metric", options.metric, METRICS)
    check_best(options.best, options.best_by)
    stopping = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(Stopping)
        if getattr(options, field.name) is not None
    }
    if "rounds" not in stopping and stopping:
        # A goal or a time on the command line stands against a number in the file.
        stopping["rounds"] = None
    changed = dataclasses.replace(matrix.stopping, **stopping)
    matrix = dataclasses.replace(matrix, stopping=changed)
    matrix = dataclasses.replace(
        matrix,
        metric=options.metric or matrix.metric,
        best=options.best or matrix.best,
        best_by=options.best_by or matrix.best_by,
        seed=matrix.seed if options.seed is None else options.seed,
        accuracy=matrix.accuracy and not options.no_accuracy,
        queries_per_turn=options.queries_per_turn or matrix.queries_per_turn,
        tests_per_run=options.tests_per_run or matrix.tests_per_run,
    )
    check_course(matrix)
    return matrix


def _folder_name(options: argparse.Namespace) -> str:
    return options.matrix.stem if options.matrix is not None else "comparison"


def _print_plan(plan: Plan, output: Path, console: Console) -> None:
    for variant in plan.matrix.variants:
        if variant.making is not None:
            done = "made" if is_made(variant.making) else "to make"
            words = shlex.join(variant.making.arguments)
            say(console, f"{variant.name}, {done}: python3 prepare.py {words}")
    for cell in plan.cells:
        mark = " (baseline)" if cell.is_baseline else ""
        say(console, f"{cell.name}{mark}: python3 main.py {shlex.join(cell.arguments)}")
    stopping = plan.matrix.stopping
    seconds = plan.round_seconds()
    each = f"about {clock(seconds)} each" if seconds else "of a length that the queries decide"
    if stopping.rounds is not None:
        total = f", {clock(seconds * stopping.rounds)} in all" if seconds else ""
        say(console, f"{stopping.rounds} rounds of {len(plan.cells)} runs, {each}{total}.")
    else:
        say(
            console,
            f"Rounds of {len(plan.cells)} runs, {each}, until every interval is within "
            f"{stopping.precision_goal:.1%} or {clock(stopping.max_time)} are over.",
        )
    turns = plan.matrix.queries_per_turn
    if turns is not None:
        say(console, f"Variants are in memory side by side and take turns of {turns} queries.")
    tests = plan.matrix.tests_per_run
    if tests is not None:
        say(
            console,
            f"Variants of Server and Offline are in memory side by side; each run is {tests} tests "
            "that take turns.",
        )
    if any(cell.searches_peak for cell in plan.cells):
        say(console, "A run of Server is a search for the highest VALID rate, of about eight runs.")
    if plan.matrix.accuracy:
        say(console, "Then accuracy or agreement, once for each model that the cache lacks.")
    say(console, f"Output: {output}")


def _best(options: argparse.Namespace, console: Console) -> int:
    check_best(options.best, options.best_by)
    comparison = legible(read_comparison(options.results))
    found = answers(comparison, options.best, options.best_by)
    for best in found:
        say(console, best.sentence)
    return 0 if found and all(best.names for best in found) else FAILED


def _check(options: argparse.Namespace, console: Console) -> int:
    limits = Limits(
        options.max_slowdown, options.max_accuracy_drop, options.relative, options.accuracy_by
    )
    report = judge(read_comparison(options.results), read_comparison(options.against), limits)
    for remark in report.remarks:
        warn(console, remark)
    for verdict in report.verdicts:
        say(console, str(verdict))
    path = options.junit or options.results.with_name("junit.xml")
    with staged(path.parent) as folder:
        write_text(folder / path.name, render_junit(report))
    say(console, f"JUnit: {path}")
    if report.is_worse:
        return FAILED
    return 0 if report.is_judged else INVALID
