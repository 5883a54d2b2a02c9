"""What a compilation can be told. Imports no TVM, so that a command line costs nothing."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CompileOptions:
    """`batches` are the numbers of images that get a library each; `target` is "host" or an
    LLVM processor name.

    `tune` is for how many seconds to look for better tiles than the rule's, with `threads`
    threads, and for the smallest batch. `tiles` is the file of winners: read where it exists,
    written after tuning.
    """

    batches: tuple[int, ...] = (1, 8)
    target: str = "host"
    tune: float = 0.0
    threads: int | None = None
    tiles: Path | None = None
