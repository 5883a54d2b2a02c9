"""The decoders' own warnings, kept off the terminal.

libjpeg and libpng write to file descriptor 2 what they think of a file, without its name.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def decoder_messages_to(log: Path) -> Iterator[TextIO]:
    """Divert file descriptor 2 into `log`; yields a stream that still reaches the old one."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with os.fdopen(os.dup(kept), "w") as stderr, log.open("wb") as file:
            os.dup2(file.fileno(), 2)
            yield stderr
    finally:
        os.dup2(kept, 2)
        os.close(kept)
