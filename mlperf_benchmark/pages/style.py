"""Makes matplotlib's SVG follow the page's colours and readable by screen readers."""

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# matplotlib writes these colours; the page's style sheet replaces them for light and dark mode.
TEXT, GRID = "#010101", "#020202"
SERIES = tuple(f"#0300{number:02x}" for number in range(8))
VARIABLES: Mapping[str, str] = MappingProxyType(
    {TEXT: "currentColor", GRID: "var(--grid)"}
    | {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)}
)
MARKERS = "osD^vPX*"
WIDTH = 4.8
LINES = ("-", "--", "-.", ":")
LABEL = 26
"""Letters of a name before it is broken."""
SETTINGS: Mapping[Any, Any] = MappingProxyType(
    {
        "svg.fonttype": "none",
        # Names are plain text: "$" must not start a formula.
        "text.parse_math": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 10,
        "text.color": TEXT,
        "axes.labelcolor": TEXT,
        "axes.edgecolor": GRID,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "xtick.color": TEXT,
        "ytick.color": TEXT,
        "figure.facecolor": "none",
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.6,
    }
)
# Left out: readers do not need these fields, and the date differs between runs.
METADATA: Mapping[str, None] = MappingProxyType(
    {"Date": None, "Creator": None, "Format": None, "Type": None}
)


@dataclass(frozen=True)
class Drawing:
    """A figure of the page. `alt` describes it for those who cannot see it, `caption` titles it."""

    name: str
    title: str
    caption: str
    alt: str
    svg: Markup


@dataclass(frozen=True)
class Series:
    """How one variant is drawn in all figures: its shape identifies it as well as its colour."""

    colour: str
    marker: str
    line: str


def series(number: int) -> Series:
    """Return the style of the variant at index `number`; styles repeat after eight."""
    return Series(
        SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)], LINES[number % len(LINES)]
    )


@contextmanager
def page_style() -> Iterator[None]:
    """Return a context in which matplotlib draws in the page's style."""
    with mpl.rc_context(dict(SETTINGS)), warnings.catch_warnings():
        # Text is measured in matplotlib's font, which lacks letters that the reader's fonts have.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def name_label(name: str) -> str:
    """Return the name of a row or a line in lines that fit beside a figure."""
    return textwrap.fill(in_legend(name), LABEL)


def in_legend(name: str) -> str:
    """Return the name as matplotlib shows it: it leaves out of legends what begins with "_"."""
    return f"\N{WORD JOINER}{name}" if name.startswith("_") else name


def new_figure(height: float) -> tuple[Figure, Axes]:
    """Return a figure as wide as all figures of the pages and `height` inches high."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def to_svg(figure: Figure, name: str, alt: str) -> Markup:
    """Return the <svg> element with `alt` as its description and ids that are unique to `name`."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=dict(METADATA))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'((?:xlink:)?href="|url\()#', rf"\1#{name}-", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    # The page determines the size; the view box keeps the proportions.
    opening = re.sub(r'\s(width|height)="[^"]*"', "", text[: text.index(">")])
    label = f' role="img" aria-label="{escape(alt)}"'
    return Markup(opening + label + text[text.index(">") :])  # noqa: S704 - text is escaped
