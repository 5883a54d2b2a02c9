"""The error tree. Each error is one clear line for the user and knows its exit status.

Exit status of the commands: 0 finished and VALID, 1 the run failed, 2 bad usage or input,
3 finished but INVALID, 130/143 interrupted.
"""

import errno

DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class BenchmarkError(Exception):
    """Base of all errors that are reported as one line, without a traceback."""

    exit_status = 1


class UsageError(BenchmarkError):
    """What the user gave cannot be used: an option, a name, a file, a folder."""

    exit_status = 2


class UnknownNameError(UsageError):
    """A name that is in no registry."""


class ModelError(UsageError):
    """A model file that is missing, unreadable or of an unexpected shape."""


class DatasetError(UsageError):
    """A label list or image that is missing, unreadable or inconsistent."""


class CacheError(BenchmarkError):
    """The cache cannot be written, or its content is damaged."""

    @property
    def is_denied(self) -> bool:
        """Whether the place may be read but not written, which most callers can live with."""
        return isinstance(self.__cause__, OSError) and self.__cause__.errno in DENIED


class OutputError(UsageError):
    """The output folder cannot be used."""


class RunError(BenchmarkError):
    """The run started but could not be finished."""


class InferenceError(RunError):
    """The backend failed, or answered nonsense, while the run was under way."""


class Interrupted(BaseException):
    """A signal, raised in the main thread so that what is half done is cleared away.

    `leaves` says what is left behind, if it is not what the command would say.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.leaves: str | None = None
