"""The files that an explanation leaves in its output folder."""

from collections.abc import Mapping
from pathlib import Path

from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.files import staged, write_text
from mlperf_benchmark.core.output_names import EXPLANATION
from mlperf_benchmark.explain.layer_errors_table import render_csv
from mlperf_benchmark.explain.output import csv_file, page
from mlperf_benchmark.explain.record import Explanation

GRAPHS = "graphs"


def check_free(folder: Path, overwrite: bool) -> None:
    """Find out before anything is measured. Raises OutputError for a folder that holds one."""
    if (folder / EXPLANATION).exists() and not overwrite:
        raise OutputError(
            f"{folder} holds an explanation already. Choose another --output, or replace it with "
            "--overwrite."
        )


def write(explanation: Explanation, graphs: Mapping[str, bytes], folder: Path) -> list[Path]:
    """All forms, whole or not at all. Raises OutputError."""
    texts = {
        EXPLANATION: explanation.to_json(),
        "layers.csv": csv_file.render(explanation),
        "explain.html": page.render(explanation),
    }
    if explanation.accuracy is not None:
        texts["layer_errors.csv"] = render_csv(explanation.accuracy)
    with staged(folder, replaces_folders=True) as staging:
        for name, text in texts.items():
            write_text(staging / name, text)
        if graphs:
            (staging / GRAPHS).mkdir()
        for name, content in graphs.items():
            (staging / GRAPHS / name).write_bytes(content)
    return [folder / name for name in (*texts, *(f"{GRAPHS}/{name}" for name in graphs))]
