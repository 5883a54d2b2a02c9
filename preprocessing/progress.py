"""What the user sees while images are preprocessed, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def tell(message: str) -> None:
    """Write one line."""
    Console(stderr=True).print(message, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(what: str, total: int, done: int) -> Iterator[Callable[[], None]]:
    """Yields what is to be called once a step: a bar on a terminal, else one line at the start."""
    console = Console(stderr=True)
    if not console.is_terminal:
        tell(f"{what}: {total - done} of {total} to do.")
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(what, total=total, completed=done)
        yield lambda: bar.advance(task)
