"""Why variants are not faster: what explain.py says of a comparison's models, for its report."""

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from backend import BACKENDS
from mlperf_benchmark.compare.child_command import run_child
from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.core.output_names import EXPLANATION
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.own_model.options import CARD_OPTIONS
from mlperf_benchmark.run.arguments import to_arguments
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import resolve

FOLDER = "explain"
"""Inside of the comparison's output: the page and the tables of all layers."""

TOLD = (*CARD_OPTIONS, "model_card", "inputs", "outputs", "data_format")
"""What options tell of a model of the user's own."""


def explain_layers(comparison: Comparison, output: Path, program: Path) -> list[str]:
    """What `program`, explain.py, says of the models that could be run, or why it says nothing."""
    subjects = _subjects(comparison)
    if not subjects:
        return ["Layers are not explained: no model runs on a backend that reports their times."]
    first = subjects[0]
    config = resolve(first)
    told = {name: getattr(first, name) for name in TOLD}
    arguments = [
        *(f"{one.model}@{_backend(one)}" for one in subjects),
        *("--dataset", config.dataset, "--cache-dir", str(first.cache_dir)),
        *("--precision", config.precision),
        *to_arguments(told),
        *(("--threads", str(first.threads)) if first.threads else ()),
        *("--output", str(output / FOLDER), "--overwrite"),
    ]
    with scratch_folder("explain") as folder:
        reason = run_child(program, arguments, folder / "errors.txt")
    if reason is not None:
        return [f"Layers are not explained: {reason}"]
    content = json.loads((output / FOLDER / EXPLANATION).read_text(encoding="utf-8"))
    return [*map(_sentence, content["statements"]), f"All layers: {FOLDER}/explain.html."]


def _sentence(statement: dict[str, str]) -> str:
    advice = statement["advice"]
    return f"{statement['variant']}: {statement['text']}." + (
        f" {advice[:1].upper()}{advice[1:]}." if advice else ""
    )


def _subjects(comparison: Comparison) -> Sequence[Namespace]:
    """The options of a run of each model and backend, the baseline's first."""
    ran = [row for row in comparison.rows if row.failure is None and row.not_run is None]
    ran.sort(key=lambda row: not row.baseline)
    # After "python3 main.py".
    runs = [parse(row.command[2:]) for row in ran]
    able = [one for one in runs if one.model and BACKENDS.load(_backend(one)).profiles]
    return list({(one.model, _backend(one)): one for one in reversed(able)}.values())[::-1]


def _backend(options: Namespace) -> str:
    return resolve(options).backend
