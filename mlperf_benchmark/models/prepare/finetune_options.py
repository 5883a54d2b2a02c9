"""The options of finetune.py."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.option_values import not_negative, positive, positive_int
from mlperf_benchmark.core.parser import Parser
from mlperf_benchmark.models.optimize.config import PruningConfig, TrainingConfig
from mlperf_benchmark.models.prepare.options import add_model, add_pruning, pruning_config, take


@dataclass(frozen=True)
class FineTuningRun:
    """One training. `validation_path` None: accuracy is reported on the training images.

    `device` is torch's name, None stands for the first GPU or else the CPU.
    """

    model: str
    weights: str
    pruning: PruningConfig
    training: TrainingConfig
    train_path: Path
    output: Path
    validation_path: Path | None = None
    seed: int = 0
    cache_dir: Path = Path("cache")
    workers: int = 4
    device: str | None = None
    resume: bool = False
    overwrite: bool = False


def parse(arguments: Sequence[str]) -> FineTuningRun:
    """Read the command line. Raises UsageError."""
    parser = Parser(
        prog="finetune.py",
        description="Prune a model and train it to answer as the unpruned one does. Writes a"
        " checkpoint that prepare.py takes as --weights.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    add_model(parser)
    add_pruning(parser)
    _training(parser)
    _files(parser)
    given = vars(parser.parse_args(arguments))
    pruning = pruning_config(take(given, PruningConfig))
    if pruning is None:
        raise UsageError("Give --prune F: the pruned model is what shall be trained.")
    training = TrainingConfig(**take(given, TrainingConfig))
    return FineTuningRun(**given, pruning=pruning, training=training)


def _training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=positive_int, metavar="N", help="(default: 30)")
    add("--batch-size", type=positive_int, metavar="N", help="(default: 256)")
    add("--learning-rate", type=positive, metavar="R", help="at the start (default: 0.0005)")
    add("--weight-decay", type=not_negative, metavar="W", help="(default: 0.01)")
    add("--temperature", type=positive, metavar="T", help="of distillation (default: 2)")
    add("--device", metavar="NAME", help="cpu, cuda, cuda:1, … (default: a GPU where there is one)")
    add("--workers", type=positive_int, metavar="N", help="threads that decode images (default: 4)")


def _files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("files").add_argument
    add("--train-path", type=Path, required=True, metavar="DIR", help="images to train on")
    add(
        "--validation-path",
        type=Path,
        metavar="DIR",
        help="labelled images to report top-1 on, not the evaluation images (default: those that"
        " it trains on)",
    )
    add("--output", type=Path, required=True, metavar="FILE", help="checkpoint, e.g. pruned.pth")
    add("--resume", action="store_true", help="go on from the checkpoint in --output")
    add("--overwrite", action="store_true", help="replace an existing checkpoint")
