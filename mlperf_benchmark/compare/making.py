"""Makes the model files that a matrix has recipes for, each in a process of its own."""

import dataclasses
from pathlib import Path

from rich.console import Console

from mlperf_benchmark.compare.child_command import run_child
from mlperf_benchmark.compare.matrix import Matrix
from mlperf_benchmark.compare.recipes import Making
from mlperf_benchmark.core.errors import ModelError, OutputError
from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.models.files.description import read_description

LOG = "prepare.log"


def make_missing(matrix: Matrix, program: Path, console: Console) -> Matrix:
    """The matrix with a reason in each variant whose recipe failed.

    `program` is prepare.py. What is there already is kept, so that an interrupted comparison goes
    on; a recipe that failed is tried again the next time. Raises OutputError where the cache cannot
    be written.
    """
    missing = {
        variant.making.model: variant.making
        for variant in matrix.variants
        if variant.making is not None and not is_made(variant.making)
    }
    reasons: dict[Path, str] = {}
    for number, (model, making) in enumerate(missing.items(), start=1):
        names = [variant.name for variant in matrix.variants if variant.making == making]
        say(console, f"Making {number} of {len(missing)}: {', '.join(names)}.")
        reason = _make(making, program)
        if reason is not None:
            reasons[model] = reason
            say(console, f"{', '.join(names)}: {reason}", "Failed:", "red")
    return dataclasses.replace(
        matrix,
        variants=tuple(
            dataclasses.replace(variant, unmade=reasons.get(variant.making.model))
            if variant.making is not None
            else variant
            for variant in matrix.variants
        ),
    )


def is_made(making: Making) -> bool:
    """Whether the file is there, whole and as its description says."""
    try:
        return making.model.is_file() and read_description(making.model) is not None
    except ModelError:
        return False


def _make(making: Making, program: Path) -> str | None:
    """None, or why it failed."""
    output = ("--output", str(making.folder), "--name", making.recipe.model_name, "--overwrite")
    try:
        making.folder.mkdir(parents=True, exist_ok=True)
        return run_child(program, (*making.arguments, *output), making.folder / LOG)
    except OSError as error:
        raise OutputError(
            f"Cannot write to {making.folder}: {error.strerror}. Give another cache_dir in [run]."
        ) from error
