"""The options of main.py. Names follow the MLPerf reference app where it has one."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from backend import BACKENDS
from dataset import DATASETS
from mlperf_benchmark.core.option_values import duration, positive, positive_int
from mlperf_benchmark.core.parser import Parser
from mlperf_benchmark.core.run_config import PRECISIONS, SCENARIOS
from mlperf_benchmark.core.versions import version
from mlperf_benchmark.own_model.options import add_card_options, add_port_options
from mlperf_benchmark.run.network_options import add_network_options
from profiles import PROFILES


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Options that were not given are None (flags: False)."""
    parser = Parser(
        prog="main.py",
        description="Run one MLPerf LoadGen test of a model and write its logs and results.json.",
    )
    add_model_options(parser)
    add_data_options(parser)
    _test(parser)
    add_runtime_options(parser)
    add_network_options(parser)
    _output(parser)
    return parser.parse_args(arguments)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to run")
    add = group.add_argument
    add(
        "--profile",
        metavar="NAME",
        help=f"defaults for the other options: {_list(PROFILES)} (default with --model: custom)",
    )
    add(
        "--model",
        type=Path,
        metavar="FILE",
        help="model file (openvino: .xml, .onnx, .zip; onnxruntime: .onnx; tvm: .tvm; torch and"
        " inductor: .pt, .pt2)",
    )
    add("--backend", metavar="NAME", help=f"overrides the profile's: {_list(BACKENDS.names())}")
    add(
        "--model-name",
        metavar="NAME",
        help="model name for LoadGen's rules (default: the profile's, resnet50)",
    )
    add_port_options(group)
    add_card_options(parser)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data set")
    add = group.add_argument
    add("--dataset", metavar="NAME", help=f"overrides the profile's: {_list(DATASETS.names())}")
    add_images(group, "folder with the images", "use the first N images only")
    add(
        "--cache-dir",
        type=Path,
        default=Path("cache"),
        metavar="DIR",
        help="where preprocessed images are kept (default: ./cache)",
    )


def add_images(group: argparse._ArgumentGroup, folder: str, count: str) -> None:
    """Add the options that name images; `folder` and `count` are the help of two of them."""
    add = group.add_argument
    add("--dataset-path", type=Path, metavar="DIR", help=folder)
    add(
        "--dataset-list",
        type=Path,
        metavar="FILE",
        help="label list (default: val_map.txt, val.txt or class folders in --dataset-path)",
    )
    add("--count", type=positive_int, metavar="N", help=count)


def _test(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("LoadGen test")
    add = group.add_argument
    add(
        "--scenario",
        default="SingleStream",
        metavar="NAME",
        help=f"one of {', '.join(SCENARIOS)} (default: SingleStream)",
    )
    add("--accuracy", action="store_true", help="measure accuracy instead of performance")
    add(
        "--time",
        type=duration,
        metavar="SECONDS",
        help="how long to run, instead of the rules' 600 s",
    )
    add(
        "--queries",
        type=positive_int,
        metavar="N",
        help="issue exactly N queries (Offline: one query of N samples), however long it takes",
    )
    add(
        "--queries-per-turn",
        type=positive_int,
        metavar="N",
        help="for programs that let processes take turns, as compare.py does: before every N "
        'queries print "ready" and wait for a line on standard input (SingleStream, MultiStream)',
    )
    add(
        "--tests-per-run",
        type=positive_int,
        metavar="N",
        help="likewise: split the run into N tests, each with an N-th of --time or --queries and a "
        "turn of its own, and combine their figures (Server, Offline)",
    )
    add(
        "--qps",
        type=positive,
        metavar="RATE",
        help="Server: target queries a second; Offline: expected samples a second",
    )
    add(
        "--max-batchsize",
        type=positive_int,
        metavar="N",
        help="largest batch of an inference (default: the model's own if it fixes one, else 1)",
    )
    add(
        "--samples-per-query",
        type=positive_int,
        metavar="N",
        help="samples of a MultiStream query (default: 8)",
    )
    add(
        "--max-latency",
        type=positive,
        metavar="SECONDS",
        help="Server: bound on the 99th percentile of latency (default: the rules' 0.015)",
    )
    add(
        "--performance-sample-count",
        type=positive_int,
        metavar="N",
        help="samples that LoadGen keeps in memory (default: the rules' 1024)",
    )
    add("--user-conf", type=Path, metavar="FILE", help="LoadGen user.conf")
    add("--audit-conf", type=Path, metavar="FILE", help="LoadGen audit.config of a compliance test")


def add_runtime_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("runtime")
    add = group.add_argument
    add("--threads", type=positive_int, metavar="N", help="threads of the backend")
    add("--streams", type=positive_int, metavar="N", help="inferences computed side by side")
    add(
        "--precision",
        choices=PRECISIONS,
        help="precision of floating-point layers (default: the runtime's choice; profiles: f32)",
    )
    add(
        "--execution-provider",
        metavar="NAME",
        help="ONNX Runtime's execution provider, if the installed build has others (default: CPU)",
    )
    add(
        "--model-cache",
        type=Path,
        metavar="DIR",
        help="folder where OpenVINO keeps compiled models to reuse them",
    )


def _output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    add = group.add_argument
    add(
        "--output",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="folder for LoadGen's logs and results.json (default: ./output)",
    )
    add("--overwrite", action="store_true", help="replace the result in --output")
    parser.add_argument("--version", action="version", version=version())


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
