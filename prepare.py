"""Turn the weights of a model into a model file: `python3 prepare.py --help`."""

from commandline.process import run_command

if __name__ == "__main__":
    run_command("preparation.command:main")
