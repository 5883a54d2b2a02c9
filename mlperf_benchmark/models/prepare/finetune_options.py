"""The options of finetune.py."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.option_values import not_negative, positive, positive_int
from mlperf_benchmark.core.parser import Parser
from mlperf_benchmark.models.optimize.config import (
    PruningConfig,
    QuantizationConfig,
    TrainingConfig,
)
from mlperf_benchmark.models.prepare.option_fields import option_of, take
from mlperf_benchmark.models.prepare.pruning_options import add_pruning, pruning_config
from mlperf_benchmark.models.prepare.quantization_options import add_quantization
from mlperf_benchmark.models.prepare.shared_options import add_model

QAT_LEARNING_RATE = 1e-5
"""Weights that are already close to their INT8 values need small steps."""
NOT_TRAINED: Mapping[str, str] = MappingProxyType(
    {
        "adaround": "which learns the rounding itself",
        "weights-only": "which trains the inputs of layers in INT8, too",
    }
)
"""Quantizers that --qat cannot start from, and why."""


@dataclass(frozen=True)
class FineTuningRun:
    """One training run of a pruned or a quantized model; the other of the two settings is None.

    Without `validation_path`, accuracy is reported on the training images.

    `device` is torch's name; None stands for the first GPU, or the CPU if there is none.
    """

    model: str
    weights: str
    pruning: PruningConfig | None
    training: TrainingConfig
    train_path: Path
    output: Path
    quantization: QuantizationConfig | None = None
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
        description="Prune or quantize a model and train it to answer as it did before. Writes a"
        " checkpoint that prepare.py takes as --weights.",
        argument_default=argparse.SUPPRESS,
    )
    add_model(parser)
    add_pruning(parser)
    add_quantization(parser, "with --qat").add_argument(
        "--qat",
        action="store_true",
        help="quantization-aware training instead of --prune: quantize the weights, which may be"
        " pruned, and train them further in INT8",
    )
    _training(parser)
    _files(parser)
    given = vars(parser.parse_args(arguments))
    is_qat = given.pop("qat", False)
    # A field of QuantizationConfig as well, of what is not offered here.
    validation = {"validation_path": given.pop("validation_path", None)}
    pruning = pruning_config(take(given, PruningConfig))
    quantization = take(given, QuantizationConfig)
    if quantization and not is_qat:
        raise UsageError(f"{option_of(quantization)} applies to --qat only.")
    if pruning is None and not is_qat:
        raise UsageError(
            "Give --prune F or --qat: what is trained is the pruned or quantized model."
        )
    if pruning is not None and is_qat:
        raise UsageError(
            "--prune and --qat exclude each other: train the pruned model first, and give its"
            " checkpoint as --weights to --qat."
        )
    quantizer = quantization.get("quantizer", "")
    if quantizer in NOT_TRAINED:
        raise UsageError(
            f"--quantizer {quantizer} does not apply to --qat, {NOT_TRAINED[quantizer]}."
        )
    trained = take(given, TrainingConfig)
    if is_qat:
        trained = {"learning_rate": QAT_LEARNING_RATE} | trained
    return FineTuningRun(
        **given,
        **validation,
        pruning=pruning,
        quantization=QuantizationConfig(**quantization) if is_qat else None,
        training=TrainingConfig(**trained),
    )


def _training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=positive_int, metavar="N", help="(default: 30)")
    add("--batch-size", type=positive_int, metavar="N", help="(default: 256)")
    add(
        "--learning-rate",
        type=positive,
        metavar="R",
        help="learning rate at the start (default: 0.0005; with --qat 0.00001)",
    )
    add("--weight-decay", type=not_negative, metavar="W", help="(default: 0.01)")
    add(
        "--temperature", type=positive, metavar="T", help="temperature of distillation (default: 2)"
    )
    add("--device", metavar="NAME", help="cpu, cuda, cuda:1, … (default: a GPU if there is one)")
    add("--workers", type=positive_int, metavar="N", help="threads that decode images (default: 4)")


def _files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("files").add_argument
    add("--train-path", type=Path, required=True, metavar="DIR", help="images to train on")
    add(
        "--validation-path",
        type=Path,
        metavar="DIR",
        help="labelled images to report top-1 on, not the evaluation images (default: the"
        " training images)",
    )
    add("--output", type=Path, required=True, metavar="FILE", help="checkpoint, e.g. pruned.pth")
    add("--resume", action="store_true", help="continue from the checkpoint in --output")
    add("--overwrite", action="store_true", help="replace an existing checkpoint")
