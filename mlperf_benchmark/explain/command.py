"""What explain.py does."""

import sys

from rich.console import Console

from mlperf_benchmark.core.terminal import say
from mlperf_benchmark.explain.explaining import explain
from mlperf_benchmark.explain.options import parse
from mlperf_benchmark.explain.output.files import check_free, write
from mlperf_benchmark.explain.output.terminal import print_explanation


def main() -> int:
    """Run explain.py and return exit status 0; failures are raised."""
    options = parse(sys.argv[1:])
    console = Console()
    check_free(options.output, options.overwrite)
    explained = explain(options, console)
    paths = write(explained.explanation, explained.graphs, options.output)
    print_explanation(explained.explanation, console, options.all)
    for path in paths:
        say(console, f"Result: {path}")
    return 0
