"""What sample.py does."""

import sys
from pathlib import Path

from mlperf_benchmark.core.parser import Parser
from mlperf_benchmark.models.prepare.sample import prepare_sample


def main() -> int:
    """Prepare the sample and say where it is."""
    parser = Parser(
        prog="sample.py",
        description="Prepare the sample: EfficientNet-Lite0 for OpenVINO and 20 labelled images.",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("build/sample"), help="folder (default: %(default)s)"
    )
    parser.add_argument(
        "--cache-dir",
        type=Path,
        default=Path("cache"),
        help="folder for downloads (default: %(default)s)",
    )
    arguments = parser.parse_args(sys.argv[1:])
    sample = prepare_sample(arguments.output, arguments.cache_dir)
    sys.stdout.write(f"{sample.model}\n{sample.images}\n")
    return 0
