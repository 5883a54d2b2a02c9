"""Why variants are not faster: what explain.py says of a comparison's models, for its report."""

import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from backend import BACKENDS
from mlperf_benchmark.compare.cell_process import reason_of
from mlperf_benchmark.compare.plan import Plan
from mlperf_benchmark.core.bound_process import bound
from mlperf_benchmark.core.output_names import EXPLANATION
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.run.options import parse
from profiles import profile

FOLDER = "explain"
"""Inside of the comparison's output: the page and the tables of all layers."""


def explain_layers(plan: Plan, output: Path, program: Path) -> list[str]:
    """The sentences of `program`, explain.py, on the models of the plan, or why there are none."""
    subjects = _subjects(plan)
    if not subjects:
        return ["Layers are not explained: no model runs on a backend that tells their times."]
    first = subjects[0]
    dataset = first.dataset or profile(first.profile).dataset
    command = [
        *(sys.executable, str(program)),
        *(f"{one.model}@{_backend(one)}" for one in subjects),
        *("--dataset", dataset, "--cache-dir", str(first.cache_dir)),
        *(("--threads", str(first.threads)) if first.threads else ()),
        *("--output", str(output / FOLDER), "--overwrite"),
    ]
    with scratch_folder("explain") as folder:
        log = folder / "errors.txt"
        with log.open("wb") as errors:
            done = subprocess.run(  # noqa: S603 - this interpreter and this program
                bound(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                check=False,
            )
        if done.returncode:
            return [f"Layers are not explained: {reason_of(log, done.returncode)}"]
    content = json.loads((output / FOLDER / EXPLANATION).read_text(encoding="utf-8"))
    return [*map(_sentence, content["statements"]), f"All layers: {FOLDER}/explain.html."]


def _sentence(statement: dict[str, str]) -> str:
    advice = statement["advice"]
    return f"{statement['text']}." + (f" {advice[:1].upper()}{advice[1:]}." if advice else "")


def _subjects(plan: Plan) -> Sequence[Namespace]:
    """The options of a cell of each model and backend, the baseline's first."""
    cells = sorted(plan.cells, key=lambda cell: not cell.is_baseline)
    made = [parse(cell.arguments) for cell in cells if cell.unmade is None]
    able = [one for one in made if one.model and BACKENDS.load(_backend(one)).profiles]
    return list({(one.model, _backend(one)): one for one in reversed(able)}.values())[::-1]


def _backend(options: Namespace) -> str:
    return str(options.backend or profile(options.profile).backend)
