"""What prepare.py does."""

import sys

from mlperf_benchmark.models.prepare import sensitivity_options
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model


def main() -> int:
    """Prepare one model file and say where it is, or measure the sensitivity of the layers."""
    arguments = sys.argv[1:]
    if arguments[:1] == [sensitivity_options.SUBCOMMAND]:
        # Importing matplotlib takes a second, and making a model file does not need it.
        from mlperf_benchmark.models.prepare.sensitivity import find_sensitivity  # noqa: PLC0415

        run = sensitivity_options.parse(arguments[1:])
        _report(str(find_sensitivity(run, _report)))
    else:
        _report(str(prepare_model(parse(arguments))))
    return 0


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
