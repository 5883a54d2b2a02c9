"""Shows the progress of long steps as a bar on a terminal; logs get nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from mlperf_benchmark.core.text import printable
from mlperf_benchmark.models.architectures.sources import Progress as ByteProgress


@contextmanager
def download_progress(what: str) -> Iterator[ByteProgress]:
    """Yield a function that draws a bar from received and expected bytes on stderr."""
    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(printable(what), total=None)

        def advance(received: int, expected: int) -> None:
            bar.update(task, completed=received, total=expected or None)

        yield advance


@contextmanager
def training_progress(epoch: int, batches: int) -> Iterator[Callable[[float], None]]:
    """Yield a function to be called with the loss of each batch."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(f"Epoch {epoch + 1}", total=batches)
        yield lambda loss: bar.update(task, advance=1, description=f"Epoch {epoch + 1}, {loss:.4f}")


@contextmanager
def layer_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a function to be called with the numbers of timed layers and of all layers."""
    columns = (TextColumn("Timing layers"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
