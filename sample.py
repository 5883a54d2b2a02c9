"""Prepare the sample, a real model and 20 labelled images: `python3 sample.py --help`."""

from commandline.process import run_command

if __name__ == "__main__":
    run_command("preparation.sample_command:main")
