"""main.py with one more backend, "slowed". Takes main.py's options.

python3 benchmarks/slowed_run.py --backend slowed ...
"""

import importlib
import runpy
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def register() -> None:
    """Add the backend. To be called before anything imports the registry from backend.py."""
    sys.path.insert(0, str(ROOT))
    module: Any = importlib.import_module("backend")
    known = module.BACKENDS
    module.BACKENDS = type(known)(
        known.kind,
        {
            "openvino": "backend_openvino:OpenVINOBackend",
            "slowed": "benchmarks.slowed_backend:SlowedBackend",
        },
    )


if __name__ == "__main__":
    register()
    runpy.run_path(str(ROOT / "main.py"), run_name="__main__")
