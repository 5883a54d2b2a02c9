"""The options of a compilation. Importing them does not import TVM, which takes long."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CompileOptions:
    """`batches` are the numbers of images that get a library each; `target` is "host" or an LLVM
    processor name.

    `threads` is the number of threads that will run the model (default: all cores); the rule for
    convolutions divides the work accordingly. `tune` is how many seconds to search for better
    choices than the rule's. `tiles` is the file of the best choices: read if it exists, written
    after tuning. With `exact_convolutions`, Winograd's method, whose rounding errors are larger, is
    not used.
    """

    batches: tuple[int, ...] = (1, 8)
    target: str = "host"
    tune: float = 0.0
    threads: int | None = None
    tiles: Path | None = None
    exact_convolutions: bool = False
