"""Prune a model and train it to recover: `python3 finetune.py --help`."""

from commandline.process import run_command

if __name__ == "__main__":
    run_command(
        "preparation.finetune_command:main",
        interrupted="the last whole epoch is kept, see --resume",
    )
