"""A gRPC channel to a node, with TLS and a token where they are asked for."""

import os
from pathlib import Path
from typing import Any

import grpc

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.network_config import NetworkConfig

TOKEN_VARIABLE = "KSERVE_TOKEN"  # noqa: S105 - a name, no token
CHANNEL_OPTIONS = (
    # Every request is sent once; what is to be sent again is decided in dispatch.py.
    ("grpc.enable_retries", 0),
    # The way to a node is what is measured: no proxy out of the environment in it.
    ("grpc.enable_http_proxy", 0),
    # A connection of its own for each endpoint.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


def open_channel(endpoint: str, config: NetworkConfig) -> Any:
    """A channel that connects on its first call. Raises UsageError for unreadable files."""
    token = _token(config)
    if config.tls_ca is None:
        if token is not None:
            raise UsageError(
                f"{TOKEN_VARIABLE} is set, and a token needs an encrypted connection: --tls-ca "
                "FILE."
            )
        return grpc.insecure_channel(endpoint, CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(config.tls_ca, "--tls-ca"),
        private_key=_read(config.tls_key, "--tls-key"),
        certificate_chain=_read(config.tls_cert, "--tls-cert"),
    )
    if token is not None:
        credentials = grpc.composite_channel_credentials(
            credentials, grpc.access_token_call_credentials(token)
        )
    return grpc.secure_channel(endpoint, credentials, CHANNEL_OPTIONS)


def _token(config: NetworkConfig) -> str | None:
    content = _read(config.token_file, "--token-file")
    token = os.environ.get(TOKEN_VARIABLE, "") if content is None else content.decode("utf-8-sig")
    return token.strip() or None


def _read(path: Path | None, option: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {option} {path}: {error.strerror}.") from error
