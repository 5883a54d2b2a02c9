"""main.py with one more backend, "slowed". Takes main.py's options.

python3 benchmarks/slowed_run.py --backend slowed ...
"""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def register() -> None:
    """Add the backend. To be called before anything imports the registry from backend.py."""
    sys.path.insert(0, str(ROOT))
    backend = __import__("backend")
    registry = type(backend.BACKENDS)
    backend.BACKENDS = registry(
        "backend",
        {
            "openvino": "backend_openvino:OpenVINOBackend",
            "slowed": "benchmarks.slowed_backend:SlowedBackend",
        },
    )


if __name__ == "__main__":
    register()
    runpy.run_path(str(ROOT / "main.py"), run_name="__main__")
