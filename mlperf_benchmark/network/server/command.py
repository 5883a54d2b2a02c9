"""What serve.py does."""

import sys

from mlperf_benchmark.network.server.options import parse


def main() -> int:
    """Write a model repository and say where it is, or become a node."""
    sys.stdout.write(f"{parse(sys.argv[1:])()}\n")
    return 0
