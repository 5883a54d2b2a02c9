"""Make a prepared model servable by an inference engine: `python3 serve.py --help`."""

from commandline.process import run_command

if __name__ == "__main__":
    run_command("serving.command:main", interrupted="nothing was written")
