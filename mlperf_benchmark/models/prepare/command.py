"""What prepare.py does."""

import sys

from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model


def main() -> int:
    """Prepare one model file and say where it is."""
    sys.stdout.write(f"{prepare_model(parse(sys.argv[1:]))}\n")
    return 0
