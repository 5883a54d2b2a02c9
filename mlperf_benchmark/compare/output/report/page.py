"""report.html: one file that needs no other and no network."""

import json
import re
import shlex
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlperf_benchmark.compare.best import sentences
from mlperf_benchmark.compare.columns import needed_columns
from mlperf_benchmark.compare.legible import legible
from mlperf_benchmark.compare.output.report.figures import drawings
from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.compare.remarks import footnote, remarks

FOLDER = Path(__file__).parent
INTERVAL = re.compile(r"\[[^\]]*\]")


def render(comparison: Comparison) -> str:
    """The page as HTML. Everything that is not a figure of ours is escaped."""
    comparison = legible(comparison)
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = _unbroken
    columns, common = needed_columns(comparison)
    return environment.get_template("page.html").render(
        comparison=comparison,
        columns=columns,
        common=common,
        sentences=sentences(comparison),
        footnote=footnote(comparison),
        remarks=remarks(comparison),
        drawings=drawings(comparison),
        commands=[
            (f"{row.name}, {row.scenario}", shlex.join(row.command))
            for row in comparison.rows
            if row.not_run is None
        ],
        command=shlex.join(["python3", *comparison.command]),
        system=[(name.replace("_", " "), _text(value)) for name, value in _system(comparison)],
        versions=sorted(comparison.system["packages"].items()),
    )


def _system(comparison: Comparison) -> list[tuple[str, object]]:
    return [
        (name, value)
        for name, value in comparison.system.items()
        if name != "packages" and value is not None
    ]


def _unbroken(text: str) -> str:
    """Keep intervals and percentages on one line each."""
    text = INTERVAL.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    text = text.replace("no difference", "no\N{NO-BREAK SPACE}difference")
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
