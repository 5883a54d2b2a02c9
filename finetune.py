"""Prunes a model and trains it to recover: `python3 finetune.py --help`."""

from mlperf_benchmark.core.process import Main, console_script


@console_script(interrupted="whole epochs are kept, see --resume")
def command() -> Main:
    """Imported only now, where signals are heeded: it takes a while."""
    from mlperf_benchmark.models.prepare.finetune_command import main

    return main


if __name__ == "__main__":
    command()
