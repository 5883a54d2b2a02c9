"""Locks between processes, where the file system knows them."""

import errno
import fcntl
import sys
from pathlib import Path

UNKNOWN = frozenset(
    {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
)
"""What network file systems without locks answer, NFS (for a folder) EBADF."""


def lock(descriptor: int, path: Path, *, wait: bool = False) -> bool:
    """Lock `path`, open as `descriptor`, until it is closed; False where another process has it.

    With `wait` it is waited for. Where the file system knows no locks it goes without, after one
    line on stderr. Raises OSError for every other refusal.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        sys.stderr.write(
            f"The file system of {path} has no locks ({error.strerror}): let one run at a time"
            " write there.\n"
        )
    return True
