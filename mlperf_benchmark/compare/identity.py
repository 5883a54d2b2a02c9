"""What runs must have in common to be put together: the same models, images and settings."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mlperf_benchmark.compare.plan import Plan
from mlperf_benchmark.core.errors import BenchmarkError
from mlperf_benchmark.core.files import file_sha256, files_sha256
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.core.versions import PRODUCT, package_versions
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.own_model.settling import settled
from mlperf_benchmark.run.data import open_dataset
from mlperf_benchmark.run.resolve import resolve
from mlperf_benchmark.run.result import Result

LAYOUT = 2

Given = TypeVar("Given")


def identity_of(plan: Plan) -> dict[str, Any]:
    """In JSON's types. Reads the model files and looks at every image's size and date."""
    options = [cell.options for cell in plan.cells]
    configs = [_known(lambda one: settled(resolve(one))[0], cell) for cell in options]
    data = {_place(config): config for config in configs if config is not None}
    return {
        "layout": LAYOUT,
        "product": PRODUCT,
        "packages": package_versions(),
        "seed": plan.matrix.seed,
        "queries_per_turn": plan.matrix.queries_per_turn,
        "tests_per_run": plan.matrix.tests_per_run,
        "peak": any(cell.searches_peak for cell in plan.cells) or None,
        "cells": {cell.key: list(cell.arguments) for cell in plan.cells},
        "models": {
            str(model): _known(lambda model: files_sha256(model_files(model)), model)
            for model in sorted({option.model for option in options} - {None})
        },
        "settings": {
            str(file): _known(file_sha256, file)
            for file in sorted({option.user_conf for option in options} - {None})
        },
        "data": {
            place: _known(lambda config: open_dataset(config).fingerprint(), config)
            for place, config in sorted(data.items())
        },
    }


def difference(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Names the parts in which two identities differ."""
    words = {
        "layout": "kept in another layout",
        "packages": "package versions differ",
        "product": "of another version of this program",
        "seed": "another seed",
        "queries_per_turn": "other turns",
        "tests_per_run": "other turns",
        "peak": "one is of peak rates, the other not",
        "cells": "other variants or options",
        "models": "a model file has changed",
        "settings": "a user.conf has changed",
        "data": "images or their labels have changed",
    }
    return next(word for key, word in words.items() if known.get(key) != wanted[key])


def change(result: Result, later: Result) -> str | None:
    """What has changed between two results of one cell, or None."""
    if model_sha256(result) != model_sha256(later):
        return "the model has changed"
    if result.dataset.fingerprint != later.dataset.fingerprint:
        return "the images or their labels have changed"
    return None


def model_sha256(result: Result) -> str | None:
    """None where there is no model file, or where served nodes do not tell."""
    return result.model.sha256 if result.model else None


def _place(config: RunConfig) -> str:
    own = config.preprocessing.steps if config.preprocessing else None
    words = (config.dataset, config.dataset_path, config.dataset_list, config.count, own)
    return " ".join(str(word) for word in words if word is not None)


def _known(find: Callable[[Given], Any], given: Given) -> Any:
    """None for a path that cannot be read: the cell's own run will say why."""
    try:
        return find(given)
    except (OSError, BenchmarkError):
        return None
