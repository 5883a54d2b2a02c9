"""How a command ends: its exit status, and one clear line for an error."""

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from contracts.errors import BenchmarkError


def run(main: Callable[[], None]) -> NoReturn:
    """Run `main` and exit as contracts/errors.py says."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        main()
    except BenchmarkError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(128 + signal.SIGINT)
    sys.exit(0)


def _terminate(_signal: int, _frame: object) -> NoReturn:
    """Leave through `finally` and `with`, so that temporary files go."""
    sys.exit(128 + signal.SIGTERM)
