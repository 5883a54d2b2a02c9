"""Why variants are not faster: what explain.py says of a comparison's models, for its report."""

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from backend import BACKENDS
from mlperf_benchmark.compare.child_command import run_child
from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.core.output_names import EXPLANATION
from mlperf_benchmark.core.text import finding
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.own_model.options import CARD_OPTIONS
from mlperf_benchmark.run.arguments import to_arguments
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import resolve

FOLDER = "explain"
"""Inside of the comparison's output: the page and the tables of all layers."""

LOSSES = 12
"""As many as a reader takes in, beside a verdict on each variant; the page has them all."""

VERDICT = "verdict"
"""The rule of explain.py that says how much faster a variant is than was to be expected."""

TOLD = (*CARD_OPTIONS, "model_card", "inputs", "outputs", "data_format")
"""What options tell of a model of the user's own."""


def explain_layers(comparison: Comparison, output: Path, program: Path) -> list[str]:
    """What `program`, explain.py, says of the models that could be run, or why it says nothing."""
    subjects = _subjects(comparison)
    if not subjects:
        return ["Layers are not explained: no model runs on a backend that reports their times."]
    first, *_ = subjects.values()
    config = resolve(first)
    of_model = {name: getattr(first, name) for name in TOLD}
    arguments = [
        *(f"{one.model}@{_backend(one)}" for one in subjects.values()),
        *("--dataset", config.dataset, "--cache-dir", str(first.cache_dir)),
        *(("--precision", config.precision) if _any_takes_precision(subjects) else ()),
        *to_arguments(of_model),
        *(("--threads", str(first.threads)) if first.threads else ()),
        *("--output", str(output / FOLDER), "--overwrite"),
    ]
    with scratch_folder("explain") as folder:
        reason = run_child(program, arguments, folder / "errors.txt")
    if reason is not None:
        return [f"Layers are not explained: {reason}"]
    content = json.loads((output / FOLDER / EXPLANATION).read_text(encoding="utf-8"))
    # explain.py calls them by their files.
    names = dict(zip((one["name"] for one in content["variants"]), subjects, strict=True))
    statements = content["statements"]
    # The verdicts on all variants come first.
    verdicts = sum(one["rule"] == VERDICT for one in statements)
    told = [
        finding(names[one["variant"]], one["text"], one["advice"])
        for one in statements[: verdicts + LOSSES]
    ]
    left = len(statements) - len(told)
    others = f"{left} smaller losses and all" if left else "All"
    doubts = [f"Warning: {text}" for text in content["warnings"]]
    return [*told, *doubts, f"{others} layers: {FOLDER}/explain.html."]


def _subjects(comparison: Comparison) -> dict[str, Namespace]:
    """The options of a run of each model and backend by its first row, the baseline's first."""
    ran = [row for row in comparison.rows if row.failure is None and row.not_run is None]
    ran.sort(key=lambda row: not row.baseline)
    # After "python3 main.py".
    subjects: dict[str, Namespace] = {}
    seen = set()
    for row in ran:
        one = parse(row.command[2:])
        if one.model and (one.model, _backend(one)) not in seen and _profiles(one):
            seen.add((one.model, _backend(one)))
            subjects[row.variant or row.name] = one
    return subjects


def _any_takes_precision(subjects: Mapping[str, Namespace]) -> bool:
    backends = map(BACKENDS.load, {_backend(one) for one in subjects.values()})
    return any("precision" in backend.accepts for backend in backends)


def _profiles(options: Namespace) -> bool:
    return bool(BACKENDS.load(_backend(options)).profiles)


def _backend(options: Namespace) -> str:
    return resolve(options).backend
