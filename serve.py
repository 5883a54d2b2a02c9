"""Makes a prepared model servable by an inference engine: `python3 serve.py --help`."""

from mlperf_benchmark.core.process import Main, console_script


@console_script(interrupted="nothing was written")
def command() -> Main:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.network.server.command import main

    return main


if __name__ == "__main__":
    command()
