"""The options of served nodes, and the configuration that they make."""

import argparse
from pathlib import Path

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.network_config import NODE_LOSS, PAYLOADS, NetworkConfig, split_endpoint
from mlperf_benchmark.core.option_values import positive, positive_int
from mlperf_benchmark.core.parser import flag

NETWORK_OPTIONS = (
    "endpoint",
    "served_model",
    "model_version",
    "deadline",
    "in_flight",
    "on_node_loss",
    "payload",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "token_file",
)
DEADLINE_SECONDS = 10.0
# Enough for an engine to fill its batches from; more would only wait in its queue.
IN_FLIGHT = 64


def add_network_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("served nodes (kserve)")
    add = group.add_argument
    add("--endpoint", type=_endpoints, metavar="HOST:PORT,…", help="gRPC addresses of the nodes")
    add(
        "--served-model",
        metavar="NAME",
        help="the model's name on the nodes (default: the profile's)",
    )
    add(
        "--model-version",
        type=_version,
        metavar="N",
        help="version of the served model (default: the server's choice, usually the highest)",
    )
    add(
        "--deadline",
        type=positive,
        metavar="SECONDS",
        help=f"time limit for the answer to a request (default: {DEADLINE_SECONDS:g})",
    )
    add(
        "--in-flight",
        type=positive_int,
        metavar="N",
        help=f"largest number of unanswered requests per node (default: {IN_FLIGHT})",
    )
    add(
        "--on-node-loss",
        choices=NODE_LOSS,
        help="if a node is lost: end the run (default), or continue with the others, to an INVALID"
        " result",
    )
    add(
        "--payload",
        choices=PAYLOADS,
        help="what a request holds: preprocessed pixels (default) or the image file",
    )
    add("--tls-ca", type=Path, metavar="FILE", help="certificates to trust; turns on TLS")
    add("--tls-cert", type=Path, metavar="FILE", help="the client's certificate, with --tls-key")
    add("--tls-key", type=Path, metavar="FILE", help="the client's key")
    add(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with a bearer token (default: the environment variable KSERVE_TOKEN)",
    )


def resolve_network(options: argparse.Namespace, served_model: str | None) -> NetworkConfig:
    """`served_model` is the profile's. Raises UsageError for options that make no sense."""
    if options.endpoint is None:
        raise UsageError("The kserve backend needs its nodes: --endpoint HOST:PORT[,HOST:PORT…].")
    model = options.served_model or served_model
    if model is None:
        raise UsageError("The kserve backend needs the model's name: --served-model NAME.")
    if (options.tls_cert is None) != (options.tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together.")
    for option in ("tls_cert", "token_file"):
        if getattr(options, option) is not None and options.tls_ca is None:
            raise UsageError(
                f"{flag(option)} needs an encrypted connection: --tls-ca FILE (for public "
                "certificates the system's list, often /etc/ssl/certs/ca-certificates.crt)."
            )
    return NetworkConfig(
        endpoints=options.endpoint,
        served_model=model,
        model_version=options.model_version,
        deadline=options.deadline or DEADLINE_SECONDS,
        in_flight=options.in_flight or IN_FLIGHT,
        on_node_loss=options.on_node_loss or NODE_LOSS[0],
        payload=options.payload or PAYLOADS[0],
        tls_ca=options.tls_ca,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        token_file=options.token_file,
    )


def _endpoints(text: str) -> tuple[str, ...]:
    endpoints = tuple(endpoint.strip() for endpoint in text.split(","))
    try:
        for endpoint in endpoints:
            split_endpoint(endpoint)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if len(set(endpoints)) != len(endpoints):
        raise argparse.ArgumentTypeError(f'"{text}" names a node twice')
    return endpoints


def _version(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f'"{text}" is not a version of a model, such as 2')
    return text.strip()
