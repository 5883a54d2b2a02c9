"""Compares variants side by side, checks and shows comparisons; see README.md."""

from mlperf_benchmark.core.process import Main, console_script


@console_script(interrupted="finished rounds are kept, and the same command goes on")
def command() -> Main:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.compare.commands import main

    return main


if __name__ == "__main__":
    command()
