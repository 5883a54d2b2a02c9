"""What a compilation can be told. Imports no TVM, so that a command line costs nothing."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CompileOptions:
    """`batches` are the numbers of images that get a library each; `target` is "host" or an
    LLVM processor name.

    `threads` is how many shall run the model (default: all cores): the rule that chooses how
    convolutions are computed cuts work for so many. `tune` is for how many seconds to look for
    better choices than the rule's. `tiles` is the file of winners: read where it exists, written
    after tuning. With `exact_convolutions` none is computed by Winograd's method, whose roundings
    differ more.
    """

    batches: tuple[int, ...] = (1, 8)
    target: str = "host"
    tune: float = 0.0
    threads: int | None = None
    tiles: Path | None = None
    exact_convolutions: bool = False
