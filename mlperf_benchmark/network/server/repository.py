"""An engine's model repository: one folder a model, each there whole or not at all."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlperf_benchmark.core.errors import OutputError, UsageError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.network.server.inspection import Inspected
from mlperf_benchmark.network.server.request import ServingRequest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def served_name(request: ServingRequest, inspected: Inspected) -> str:
    """The name that clients ask for. Raises UsageError for one that cannot be a folder's."""
    default = inspected.description.architecture if inspected.description else request.model.stem
    name = request.name or default
    if not _NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" is not a model name (--name): use letters, digits, ".", "_" and "-".'
        )
    return name


@contextmanager
def new_model(repository: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder whose content, the folder `name`, moves to `repository` on success.

    Raises OutputError where that exists or cannot be written.
    """
    target = repository / name
    with _alone_in(repository), staged(repository) as folder:
        if target.exists():
            raise OutputError(f"{target} exists. Remove it, or give another --output or --name.")
        (folder / name).mkdir()
        yield folder


@contextmanager
def _alone_in(repository: Path) -> Iterator[None]:
    """Make other writers wait. A folder that cannot be made or locked holds nobody up."""
    lock = None
    with contextlib.suppress(OSError):
        repository.mkdir(parents=True, exist_ok=True)
        lock = os.open(repository, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)
