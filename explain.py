"""Says where a model's time goes, layer by layer, and why a variant is not faster: see
docs/explaining.md.
"""

from mlperf_benchmark.core.process import Main, console_script


@console_script()
def command() -> Main:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.explain.command import main

    return main


if __name__ == "__main__":
    command()
