"""main.py with one more backend, "slowed". Takes main.py's options.

python3 -m benchmarks.slowed_run --backend slowed ...
"""

import runpy
from pathlib import Path

from backend import BACKENDS

ROOT = Path(__file__).resolve().parents[1]


def register() -> None:
    """Make the backend known to this process."""
    BACKENDS.register("slowed", "benchmarks.slowed_backend:SlowedBackend")


if __name__ == "__main__":
    register()
    runpy.run_path(str(ROOT / "main.py"), run_name="__main__")
