"""Locks between processes, on file systems that have them."""

import errno
import fcntl
import sys
from pathlib import Path

UNKNOWN = frozenset(
    {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
)
"""The errors of network file systems without locks; NFS reports EBADF for a folder."""


def lock(descriptor: int, path: Path, *, wait: bool = False) -> bool:
    """Lock `path`, open as `descriptor`, until it is closed; False if another process has it.

    With `wait`, wait for the lock instead. On a file system without locks, write one line to stderr
    and go on unlocked. Raises OSError for every other failure.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        sys.stderr.write(
            f"The file system of {path} has no locks ({error.strerror}): let only one run at a"
            " time write there.\n"
        )
    return True
