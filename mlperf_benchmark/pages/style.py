"""matplotlib's SVG, made to follow the page's colours and to be read aloud."""

import io
import re
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

# Colours that matplotlib writes and the page's style sheet replaces, in light and in dark.
TEXT, GRID = "#010101", "#020202"
SERIES = tuple(f"#0300{number:02x}" for number in range(8))
VARIABLES: Mapping[str, str] = MappingProxyType(
    {TEXT: "currentColor", GRID: "var(--grid)"}
    | {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)}
)
MARKERS = "osD^vPX*"
WIDTH = 4.8
LINES = ("-", "--", "-.", ":")
SETTINGS: Mapping[Any, Any] = MappingProxyType(
    {
        "svg.fonttype": "none",
        # Names are text, whatever signs they hold.
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
# What no reader needs, and what differs from one run to the next.
METADATA: Mapping[str, None] = MappingProxyType(
    {"Date": None, "Creator": None, "Format": None, "Type": None}
)


@dataclass(frozen=True)
class Drawing:
    """A figure of the page. `alt` says in words what it shows, `caption` what it is."""

    name: str
    title: str
    caption: str
    alt: str
    svg: Markup


@dataclass(frozen=True)
class Series:
    """How one variant is drawn everywhere: told apart by shape as well as by colour."""

    colour: str
    marker: str
    line: str


def series(number: int) -> Series:
    """Of the variant at that place; colours, markers and lines repeat after eight."""
    return Series(
        SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)], LINES[number % len(LINES)]
    )


@contextmanager
def page_style() -> Iterator[None]:
    """Draw figures inside of this."""
    with mpl.rc_context(dict(SETTINGS)), warnings.catch_warnings():
        # The reader's fonts have letters that the font used for measuring lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def new_figure(height: float) -> tuple[Figure, Axes]:
    """As wide as all figures of the pages, and so many inches high."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def to_svg(figure: Figure, name: str, alt: str) -> Markup:
    """The <svg> element with `alt` for those who do not see it, and ids of its own."""
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
    # Its size is the page's affair; the view box keeps the proportions.
    opening = re.sub(r'\s(width|height)="[^"]*"', "", text[: text.index(">")])
    label = f' role="img" aria-label="{escape(alt)}"'
    return Markup(opening + label + text[text.index(">") :])  # noqa: S704 - text is escaped
