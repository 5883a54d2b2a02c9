"""Text on the terminal, never taken for markup, emoji codes or control sequences."""

from rich.console import Console
from rich.text import Text

from mlperf_benchmark.core.text import printable


def plain(text: str, style: str = "") -> Text:
    """`text` literally, for rich: rich.markup.escape would leave emoji codes to be replaced."""
    return Text(printable(text), style)


def say(console: Console, text: str, label: str = "", style: str = "") -> None:
    """One line, however long, after a `label` in its own style."""
    line = plain(f"{label} {text}" if label else text)
    line.stylize(style, 0, len(label))
    console.print(line, soft_wrap=True)


def warn(console: Console, text: str) -> None:
    """One line, labelled as a warning."""
    say(console, text, "Warning:", "yellow")
