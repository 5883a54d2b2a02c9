"""What Triton's python backend loads: model.py of a model's version folder."""

import sys
from pathlib import Path

# Else the repository would change when it is used.
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent / "code"))

from mlperf_benchmark.network.server.node.triton_model import TritonPythonModel  # noqa: E402 - from that folder

__all__ = ["TritonPythonModel"]
