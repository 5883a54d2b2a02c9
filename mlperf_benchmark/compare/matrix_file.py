"""Reads a matrix from TOML, and refuses what it does not know by its nearest name."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlperf_benchmark.compare.matrix import Matrix, Options, Stopping, Variant
from mlperf_benchmark.compare.matrix_checks import checked
from mlperf_benchmark.compare.recipes import making_of
from mlperf_benchmark.compare.sweeps import SWEEPS
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.text import printable
from mlperf_benchmark.core.toml import read_toml
from mlperf_benchmark.run.options import parse

SETTINGS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "title": (str,),
        "baseline": (str,),
        "metric": (str,),
        "best": (str,),
        "best_by": (str,),
        "seed": (int,),
        "accuracy": (bool,),
        "explain": (bool,),
        "queries_per_turn": (int,),
        "tests_per_run": (int,),
        "rounds": (int,),
        "precision_goal": (float, int),
        "max_time": (float, int),
    }
)
TABLES = ("run", "axes", "variant", "prepare", "recipe")
# What a [[variant]] has beside options of main.py.
VARIANT = ("name", "not_run")
# Options of several words, or numbers.
LISTS = frozenset({"inputs", "outputs", "resize", "crop", "mean", "std"})
AXES = ("model", "backend", "scenario", *SWEEPS)
# What compare.py decides itself.
NOT_OPTIONS = frozenset(
    {
        "accuracy",
        "output",
        "overwrite",
        "audit_conf",
        "scenario",
        "queries_per_turn",
        "tests_per_run",
    }
)
KINDS: Mapping[type, str] = MappingProxyType(
    {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
)


def read_matrix(path: Path) -> Matrix:
    """Parse the file. Raises UsageError naming the file, the key and the nearest known one."""
    try:
        content = read_toml(path)
    except FileNotFoundError as error:
        raise UsageError(f"No matrix file {path}; the folder matrices has examples.") from error
    try:
        return _matrix(content, printable(path.stem))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def matrix_from_axes(axes: Mapping[str, Sequence[Any]], run: Options, title: str) -> Matrix:
    """Models × backends as variants, scenarios and sweeps as they are; the first is the baseline.

    An axis that is missing is left to main.py's defaults.
    """
    named = [axis for axis in ("model", "backend") if axes.get(axis)]
    variants = []
    for values in itertools.product(*(axes[axis] for axis in named)):
        options = dict(zip(named, values, strict=True))
        variants.append(Variant(_name(options, axes, run), MappingProxyType(dict(run) | options)))
    return checked(
        Matrix(
            title=title,
            variants=tuple(variants),
            scenarios=tuple(axes.get("scenario") or ("SingleStream",)),
            sweeps=_sweeps(axes),
        )
    )


def run_option_names() -> tuple[str, ...]:
    """The options of main.py that a matrix may set."""
    return tuple(sorted(vars(parse([])).keys() - NOT_OPTIONS))


def _matrix(content: Mapping[str, Any], stem: str) -> Matrix:
    for key in content:
        known_name("setting", key, (*SETTINGS, *TABLES))
    settings: dict[str, Any] = {
        key: _typed(key, content[key]) for key in SETTINGS if key in content
    }
    run = _options(_table(content, "run"), "[run]")
    axes = _axes(_table(content, "axes"))
    tables, recipes = _tables(content, "variant"), _tables(content, "recipe")
    shared = _table(content, "prepare")
    if shared and not recipes:
        raise UsageError("[prepare] is for [[recipe]] tables, and there are none.")
    if tables or recipes:
        matrix = _from_variants(tables, recipes, shared, run=run, axes=axes, title=stem)
    else:
        matrix = matrix_from_axes(axes, run, stem)
    stopping = {
        field.name: settings.pop(field.name)
        for field in dataclasses.fields(Stopping)
        if field.name in settings
    }
    return checked(dataclasses.replace(matrix, stopping=Stopping(**stopping), **settings))


def _from_variants(
    tables: Sequence[Mapping[str, Any]],
    recipes: Sequence[Mapping[str, Any]],
    shared: Mapping[str, Any],
    *,
    run: Options,
    axes: Mapping[str, list[Any]],
    title: str,
) -> Matrix:
    kind = "[[variant]]" if tables else "[[recipe]]"
    for axis in ("model", "backend"):
        if axis in axes:
            raise UsageError(f"{axis} is in [axes]: give either that or {kind} tables.")
    variants = []
    for number, table in enumerate(tables, start=1):
        name = table.get("name")
        if not isinstance(name, str) or not name.strip():
            raise UsageError(f"[[variant]] number {number} needs a name.")
        own = {key: value for key, value in table.items() if key not in VARIANT}
        reason = table.get("not_run")
        if reason is not None and (not isinstance(reason, str) or not reason.strip() or own):
            raise UsageError(
                f'"{name}" has not_run, which takes the reason, and no options beside it.'
            )
        options = _options(own, f'"{name}"')
        for axis in SWEEPS:
            if axis in axes and axis in options:
                raise UsageError(f'"{name}" sets {axis}, which is also in [axes].')
        variants.append(Variant(name, MappingProxyType(dict(run) | dict(options)), not_run=reason))
    for number, table in enumerate(recipes, start=1):
        for axis in SWEEPS:
            if axis in axes and axis in _table(table, "run"):
                raise UsageError(
                    f'[recipe.run] of "{table.get("name")}" sets {axis}, which stands in [axes], '
                    "too."
                )
        variants += variants_of(number, table, shared, run)
    return Matrix(
        title=title,
        variants=tuple(variants),
        scenarios=tuple(axes.get("scenario", ("SingleStream",))),
        sweeps=_sweeps(axes),
    )


def _sweeps(axes: Mapping[str, Sequence[Any]]) -> Mapping[str, tuple[int | float, ...]]:
    return MappingProxyType({name: tuple(axes[name]) for name in SWEEPS if axes.get(name)})


def variants_of(
    number: int, table: Mapping[str, Any], shared: Mapping[str, Any], run: Options
) -> list[Variant]:
    """The variant that a [[recipe]] makes, or one for each of its `seeds`."""
    name = table.get("name")
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"[[recipe]] number {number} needs a name.")
    own = _options(_table(table, "run"), f'[recipe.run] of "{name}"')
    if "model" in own:
        raise UsageError(f'[recipe.run] of "{name}" sets model, which the recipe makes.')
    options = dict(run) | dict(own)
    prepare = dict(shared) | {
        key: value for key, value in table.items() if key not in ("name", "run", "seeds")
    }
    seeds = table.get("seeds", [None])
    if not isinstance(seeds, list) or not seeds or (seeds != [None] and not _all_of(seeds, int)):
        raise UsageError(f'seeds in "{name}" takes a list of whole numbers.')
    variants = []
    for seed in seeds:
        seeded = prepare if seed is None else prepare | {"seed": seed}
        try:
            making = making_of(seeded, Path(str(options.get("cache_dir", "cache"))))
        except UsageError as error:
            raise UsageError(f'recipe "{name}": {error}') from error
        variants.append(
            Variant(
                name if seed is None else f"{name}, seed {seed}",
                MappingProxyType(options | {"model": str(making.model)}),
                making=making,
            )
        )
    return variants


def _tables(content: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    tables = content.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"write {name}s as [[{name}]] tables.")
    return tables


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"write {name} as a table [{name}].")
    return table


def _options(table: Mapping[str, Any], where: str) -> Options:
    names = run_option_names()
    for key, value in table.items():
        if key == "scenario":
            raise UsageError(f'{where} sets scenario: write [axes] scenario = ["{value}"] instead.')
        known_name(f"option in {where}", key, names)
        if isinstance(value, dict) or (isinstance(value, list) and key not in LISTS):
            raise UsageError(f"{key} in {where} takes one value; lists go into [axes].")
    return MappingProxyType(
        {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    )


def _axes(table: Mapping[str, Any]) -> dict[str, list[Any]]:
    for key, value in table.items():
        known_name("axis", key, AXES)
        kind: type = SWEEPS[key].kind if key in SWEEPS else str
        allowed = (int, float) if kind is float else kind
        if not isinstance(value, list) or not value or not _all_of(value, allowed):
            raise UsageError(f"{key} in [axes] takes a list, each value {KINDS[kind]}.")
        if len(set(value)) < len(value):
            raise UsageError(f"{key} in [axes] names a value twice; use [[variant]] for that.")
    return dict(table)


def _all_of(values: Iterable[Any], kind: type | tuple[type, ...]) -> bool:
    return all(isinstance(value, kind) and not isinstance(value, bool) for value in values)


def _typed(key: str, value: Any) -> Any:
    kinds = SETTINGS[key]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise UsageError(f"{key} takes {KINDS[kinds[0]]}, not {value!r}.")
    return value


def _name(options: Options, axes: Mapping[str, Sequence[Any]], run: Options) -> str:
    """The parts that tell a variant from the others; at least one."""
    parts = []
    if "model" in options:
        model = Path(str(options["model"]))
        stems = [Path(str(other)).stem for other in axes["model"]]
        parts.append(printable(model.stem if stems.count(model.stem) == 1 else str(model)))
    if "backend" in options and (not parts or len(axes["backend"]) > 1):
        parts.append(str(options["backend"]))
    if not parts:
        parts.append(str(run.get("profile") or run.get("backend") or "default"))
    return " ".join(parts)
