"""A gRPC channel to a node, with TLS and a token where they are asked for."""

import codecs
import os
import ssl
from pathlib import Path
from typing import Any, NoReturn

import grpc

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.network_config import NetworkConfig

TOKEN_VARIABLE = "KSERVE_TOKEN"  # noqa: S105 - a name, no token
CHANNEL_OPTIONS = (
    # gRPC sends every request once; dispatch.py decides what is sent again.
    ("grpc.enable_retries", 0),
    # The way to a node is what is measured, so no proxy from the environment.
    ("grpc.enable_http_proxy", 0),
    # A connection of its own for each endpoint.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
HTTP2 = "h2"


def open_channel(endpoint: str, config: NetworkConfig) -> Any:
    """A channel that connects on its first call. Raises UsageError for unusable files."""
    # gRPC would also log what it raises as an error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    token = _token(config)
    if config.tls_ca is None:
        if token is not None:
            raise UsageError(
                f"{TOKEN_VARIABLE} is set, and a token needs an encrypted connection: --tls-ca "
                "FILE."
            )
        return grpc.insecure_channel(endpoint, CHANNEL_OPTIONS)
    tls_context(config)
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


def tls_context(config: NetworkConfig) -> ssl.SSLContext:
    """The same encryption by Python's ssl, which says why something fails.

    Raises UsageError for files that hold no certificates or keys.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols([HTTP2])
    if _read(config.tls_ca, "--tls-ca") is not None:
        try:
            context.load_verify_locations(config.tls_ca)
        except ssl.SSLError as error:
            raise UsageError(
                f"--tls-ca {config.tls_ca} holds no certificate in PEM format."
            ) from error
    certificate = _read(config.tls_cert, "--tls-cert")
    key = _read(config.tls_key, "--tls-key")
    if certificate is None or key is None:
        return context
    assert config.tls_cert is not None
    for content, what, option, path in (
        (certificate, "CERTIFICATE", "--tls-cert", config.tls_cert),
        (key, "PRIVATE KEY", "--tls-key", config.tls_key),
    ):
        if f"{what}-----".encode() not in content:
            raise UsageError(f"{option} {path} holds no {what.lower()} in PEM format.")

    def refuse_password() -> NoReturn:
        raise UsageError(
            f"--tls-key {config.tls_key} is encrypted, and gRPC takes no password: "
            f"openssl pkey -in {config.tls_key} -out FILE decrypts it."
        )

    try:
        context.load_cert_chain(config.tls_cert, config.tls_key, refuse_password)
    except ssl.SSLError as error:
        fault = (
            "are of different key pairs"
            if "MISMATCH" in (error.reason or "")
            else f"cannot be used: {error.reason or error}"
        )
        raise UsageError(
            f"--tls-cert {config.tls_cert} and --tls-key {config.tls_key} {fault}."
        ) from error
    return context


def _token(config: NetworkConfig) -> str | None:
    content = _read(config.token_file, "--token-file")
    if content is None:
        token, where = os.environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE
    else:
        token = content.removeprefix(codecs.BOM_UTF8).decode("ascii", "replace")
        where = f"--token-file {config.token_file}"
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{where} holds no token: one line of printable ASCII characters.")
    return token or None


def _read(path: Path | None, option: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {option} {path}: {error.strerror}.") from error
