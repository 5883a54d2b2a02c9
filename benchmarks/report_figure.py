"""One figure of a comparison's report as an SVG file of its own, for the documents.

`python -m benchmarks.report_figure output/NAME/comparison.json "Speed-up" docs/images/NAME.svg`
"""

import argparse
import re
from pathlib import Path

from mlperf_benchmark.compare.output.report import figures
from mlperf_benchmark.compare.record import read_comparison
from mlperf_benchmark.core.files import write_text
from mlperf_benchmark.pages.rendering import STYLE
from mlperf_benchmark.pages.style import Drawing

WIDTH = 640
VARIABLE = re.compile(r"(--[\w-]+): (#[0-9a-f]{6})")


def standalone(drawing: Drawing) -> str:
    """The SVG with the colours of the page's light style on its background."""
    style = STYLE.read_text(encoding="utf-8")
    light = style[: style.index("@media")]
    colours = dict(VARIABLE.findall(light))
    svg = re.sub(r"var\((--[\w-]+)\)", lambda name: colours[name[1]], str(drawing.svg))
    svg = svg.replace("currentColor", colours["--text"])
    background = f'<rect width="100%" height="100%" fill="{colours["--page"]}"/>'
    return re.sub(r"<svg([^>]*>)", rf'<svg width="{WIDTH}"\1\n {background}', svg, count=1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparison", type=Path)
    parser.add_argument("title", help="of the figure, as it begins in the report")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    drawings = figures.drawings(read_comparison(arguments.comparison))
    chosen = [drawing for drawing in drawings if drawing.title.startswith(arguments.title)]
    if not chosen:
        parser.error(f"the figures are {', '.join(drawing.title for drawing in drawings)}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    write_text(arguments.output, standalone(chosen[0]))


if __name__ == "__main__":
    main()
