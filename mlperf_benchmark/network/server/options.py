"""The options of serve.py."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from dataset import DATASETS
from mlperf_benchmark.core.network_config import PAYLOADS, PORTS, is_ipv6, split_endpoint
from mlperf_benchmark.core.option_values import not_negative_int, port, positive_int
from mlperf_benchmark.core.parser import Parser
from mlperf_benchmark.core.registry import Registry
from mlperf_benchmark.core.run_config import PRECISIONS
from mlperf_benchmark.network.server.request import ServingRequest
from mlperf_benchmark.network.server.triton_wheel import NodeOptions, start_triton
from mlperf_benchmark.own_model.options import (
    CARD_OPTIONS,
    add_card_options,
    add_port_options,
    given_card,
)

Command = Callable[[], Path]

# A node starts without what makes repositories.
WRITERS = Registry(
    "engine",
    {
        "ovms": "mlperf_benchmark.network.server.ovms:write_ovms",
        "triton": "mlperf_benchmark.network.server.triton:write_triton",
    },
)


def parse(arguments: Sequence[str]) -> Command:
    """What the command line asks for, as a call. Raises UsageError."""
    parser = Parser(
        prog="serve.py",
        description="Make a prepared model servable by an inference engine, or start Triton.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    triton = commands.add_parser(
        "triton", help="write a model repository of Triton", argument_default=argparse.SUPPRESS
    )
    _model(triton)
    _triton(triton)
    triton.set_defaults(engine="triton")
    ovms = commands.add_parser(
        "ovms", help="write OpenVINO Model Server's layout", argument_default=argparse.SUPPRESS
    )
    _model(ovms)
    ovms.set_defaults(engine="ovms")
    start = commands.add_parser(
        "start", help="start Triton out of the package nvidia-pytriton, without docker"
    )
    _start(start)
    given = vars(parser.parse_args(arguments))
    engine = given.pop("engine", None)
    if engine is None:
        options = NodeOptions(**given | {"tritonserver": tuple(given["tritonserver"])})
        return lambda: start_triton(options)
    card = given_card(given)
    rest = {name: value for name, value in given.items() if name not in CARD_OPTIONS}
    request = ServingRequest(**rest, card=card)
    return lambda: WRITERS.load(engine)(request)


def _model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, help=".xml, .zip, .onnx or .tvm")
    add(
        "--output",
        type=Path,
        required=True,
        help="the repository, a folder of models",
    )
    add(
        "--name",
        help="the served model's name (default: its architecture's, or the file's)",
    )
    add(
        "--dataset",
        metavar="NAME",
        help=f"data set whose preprocessing it needs: {', '.join(DATASETS.names())} (default: as"
        " described, else custom)",
    )
    add(
        "--precision", choices=PRECISIONS, help="precision that OpenVINO computes in (default: f32)"
    )
    add(
        "--instances",
        type=positive_int,
        metavar="N",
        help="inferences side by side on a node (default: 1)",
    )
    add(
        "--threads",
        type=positive_int,
        metavar="N",
        help="threads of each inference (default: the node's CPUs, shared evenly)",
    )
    add("--max-batchsize", type=positive_int, metavar="N", help="largest batch (default: 8)")
    add_port_options(parser)
    add_card_options(parser)


def _triton(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--backend",
        metavar="NAME",
        help="what runs it: openvino, onnxruntime or tvm (default: the first that reads it)",
    )
    add(
        "--payload",
        choices=PAYLOADS,
        help="what clients send: preprocessed pixels, or files that the node decodes and"
        " preprocesses (default: pixels)",
    )
    add(
        "--queue-delay-us",
        type=not_negative_int,
        metavar="N",
        help="microseconds that a request may wait for others to fill its batch (default: 0)",
    )


def _start(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("repository", type=Path, help="what serve.py triton wrote")
    add(
        "--id", required=True, metavar="NAME", help="the node's name, a different one for each node"
    )
    add(
        "--address",
        type=_address,
        default="127.0.0.1",
        help="address to listen on: IPv4, IPv6 or a name (default: %(default)s)",
    )
    add("--grpc-port", type=port, default=8001, metavar="N", help="default: %(default)s")
    add(
        "--cache-dir",
        type=Path,
        default=Path("cache"),
        help="folder for the backend's files (default: %(default)s)",
    )
    add(
        "--tritonserver",
        nargs=argparse.REMAINDER,
        default=(),
        metavar="OPTION",
        help="all that follows goes to tritonserver, e.g. --tritonserver --log-verbose 1",
    )


def _address(text: str) -> str:
    """A host as it stands before a port: an IPv6 address in brackets."""
    host = f"[{text}]" if is_ipv6(text) else text
    try:
        split_endpoint(f"{host}:{PORTS[0]}")
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not an address to listen on, such as 0.0.0.0 or ::1; the port is'
            " --grpc-port"
        ) from None
    return host
