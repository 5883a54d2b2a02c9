"""Runs one MLPerf LoadGen test; see README.md."""

from mlperf_benchmark.core.process import Main, console_script


@console_script()
def command() -> Main:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.run.command import main

    return main


if __name__ == "__main__":
    command()
