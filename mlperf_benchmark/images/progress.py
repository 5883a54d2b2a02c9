"""What the user sees while images are preprocessed, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlperf_benchmark.core.terminal import say


def tell(message: str) -> None:
    """Write one line."""
    say(Console(stderr=True), message)


@contextmanager
def progress_bar(stream: TextIO, total: int, done: int) -> Iterator[Callable[[], None]]:
    """Yields what is to be called once an image; shows nothing where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(file=stream)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("Preprocessing", total=total, completed=done)
        yield lambda: bar.advance(task)
