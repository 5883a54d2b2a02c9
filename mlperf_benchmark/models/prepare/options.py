"""The options of prepare.py. Options that are not given are absent: the dataclasses have
defaults.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.parser import Parser, flag
from mlperf_benchmark.core.preprocessing import CUSTOM
from mlperf_benchmark.models.files.formats import BACKEND_FORMATS, FORMATS
from mlperf_benchmark.models.optimize.config import (
    DIGITS,
    QUANTIZED,
    PruningConfig,
    QuantizationConfig,
)
from mlperf_benchmark.models.prepare.compilation_options import add_compilation
from mlperf_benchmark.models.prepare.listings import Listing, pruning_methods
from mlperf_benchmark.models.prepare.option_fields import option_of, take
from mlperf_benchmark.models.prepare.pruning_options import add_latency, add_pruning, pruning_config
from mlperf_benchmark.models.prepare.quantization_options import (
    add_accuracy_control,
    add_quantization,
)
from mlperf_benchmark.models.prepare.recipe import ONNX, PRECISIONS, Recipe
from mlperf_benchmark.models.prepare.shared_options import add_calibration, add_model
from mlperf_benchmark.own_model.options import (
    CARD_OPTIONS,
    add_card_options,
    add_port_options,
    given_card,
)
from mlperf_benchmark.tvm_compiler.options import CompileOptions
from profiles import profile

COMPILED_BACKEND = "tvm"
BESIDE = ("model_card", "labels_offset")
"""Options about a model that do not concern the preprocessing of its images."""


def parse(arguments: Sequence[str]) -> Recipe:
    """Read the command line. Raises UsageError."""
    given = vars(_parser().parse_args(arguments))
    return _recipe(given)


def option_names() -> tuple[str, ...]:
    """Return the names of all options without their dashes."""
    names = _parser()._option_string_actions
    return tuple(sorted(name[2:] for name in names if name.startswith("--")))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="prepare.py",
        description="Turn the weights of a model into a model file with its description.",
        epilog="prepare.py sensitivity MODEL --help: measure which layers miss their channels.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--list-methods",
        action=Listing,
        text=pruning_methods,
        help="explain the pruning methods and exit",
    )
    add_model(parser, or_file=True)
    _foreign(parser)
    _file(parser)
    add_latency(add_pruning(parser))
    add_accuracy_control(add_quantization(parser, "with --precision int8"))
    add_compilation(parser)
    _images(parser)
    return parser


def _recipe(given: dict[str, Any]) -> Recipe:
    threads = given.get("threads")
    _model(given)
    pruning = take(given, PruningConfig)
    left = given.pop("latency", None)
    if left is not None:
        if "prune" in pruning:
            raise UsageError("--prune and --prune-for exclude each other: give one of them.")
        pruning |= {"prune": round(1 - left, DIGITS), "budget": "latency"}
    quantization = take(given, QuantizationConfig)
    compilation = take(given, CompileOptions)
    is_compiled = given.get("backend") == COMPILED_BACKEND
    if left is not None and not is_compiled:
        compilation.pop("threads", None)
    if compilation and not is_compiled:
        raise UsageError(f"{option_of(compilation)} applies to --backend {COMPILED_BACKEND} only.")
    default = QUANTIZED.get(given.get("precision", ""))
    if quantization and default is None:
        raise UsageError(f"{option_of(quantization)} applies to --precision int8 only.")
    return Recipe(
        **given,
        pruning=pruning_config(pruning),
        quantization=QuantizationConfig(**{"quantizer": default, **quantization})
        if default
        else None,
        compilation=CompileOptions(**compilation) if is_compiled else None,
        threads=threads,
    )


def _model(given: dict[str, Any]) -> None:
    """Fill in what a model file implies and what the profile says of it. Raises UsageError."""
    own = given.get("architecture")
    if ("model" in given) == (own is not None):
        raise UsageError("Give either a model or --architecture MODULE:FUNCTION.")
    if own is not None:
        given["model"] = own.rpartition(":")[2].rpartition(".")[2] or own
    is_file = Path(given["model"]).suffix.lower() == ONNX and own is None
    if is_file and "weights" in given:
        raise UsageError(f"--weights does not apply to {given['model']}, which has its own.")
    if not is_file and "weights" not in given:
        raise UsageError(f"Give --weights for {given['model']}: random, a file, or a source.")
    given.setdefault("weights", given["model"])
    for name in ("inputs", "outputs", "data_format"):
        if not is_file and name in given:
            raise UsageError(f"{flag(name)} applies to ONNX files only.")
    _preprocessing(given, is_known=not is_file and own is None)


def _preprocessing(given: dict[str, Any], is_known: bool) -> None:
    """Collect the options about images into a card.

    Raises UsageError if the preprocessing `is_known` without them.
    """
    told = [name for name in (*CARD_OPTIONS, *BESIDE) if name in given]
    if is_known and told:
        raise UsageError(
            f"{flag(told[0])} does not apply to {given['model']}, whose preprocessing is known: it"
            " is for ONNX files and --architecture."
        )
    given["card"] = given_card(given)
    for name in CARD_OPTIONS:
        given.pop(name, None)
    if "profile" in given:
        name = given.pop("profile")
        chosen = profile(name)
        given["dataset"] = chosen.dataset
        if told and chosen.dataset != CUSTOM:
            raise UsageError(
                f"{flag(told[0])} does not apply to --profile {name}, which says how images are"
                f" preprocessed: use --profile {CUSTOM}."
            )
        if chosen.backend in BACKEND_FORMATS:
            given.setdefault("backend", chosen.backend)


def _foreign(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("models of others")
    add = group.add_argument
    add(
        "--architecture",
        metavar="MODULE:FUNCTION",
        help="instead of a model's name: your own code, which is imported and run, and returns a"
        " torch module or an Architecture",
    )
    add(
        "--profile",
        metavar="NAME",
        help="profile of main.py that says how the images of an ONNX file or of --architecture are"
        " preprocessed (default: custom) and, unless --backend does, which backend runs the model",
    )
    add_port_options(group)
    add_card_options(parser)


def _file(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("model file").add_argument
    add("--backend", help=f"backend that runs it: {', '.join(BACKEND_FORMATS)} (default: openvino)")
    add("--format", help=f"{', '.join(FORMATS.names())} (default: what the backend prefers)")
    add(
        "--precision",
        help=f"one of {', '.join(PRECISIONS)}; w8: only the weights in INT8, for OpenVINO (default:"
        " fp32)",
    )
    add("--output", type=Path, help="folder (default: models)")
    add("--name", help="file name without suffix (default: MODEL[_prunedPERCENT]_PRECISION)")
    add("--overwrite", action="store_true", help="replace an existing file")


def _images(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images")
    add_calibration(group, "INT8 ranges and batch-norm statistics")
    group.add_argument(
        "--evaluation-path",
        type=Path,
        metavar="DIR",
        help="images that accuracy will be measured on; refused among all others",
    )
