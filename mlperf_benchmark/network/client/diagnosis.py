"""Why a call failed, and why a node cannot be connected to where gRPC does not say it."""

import contextlib
import socket
import ssl

import grpc

from mlperf_benchmark.core.network_config import NetworkConfig, split_endpoint
from mlperf_benchmark.network.client.connection import HTTP2, tls_context

# A client's start of HTTP/2 (RFC 9113, 3.4): a constant, and an empty frame of settings.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
FRAME_HEADER = 9
SETTINGS = 4
TLS_ALERT = b"\x15\x03"
HTTP_1 = b"HTTP/1"
SECONDS = 3.0
SHOWN = 40
NOT_CONNECTED = ("failed to connect", "errors resolving")
"""How gRPC's details begin if no connection was made; they end with the cause."""

HTTP_PORT = (
    "speaks HTTP/1, not gRPC: give the node's gRPC port (Triton's: gRPC 8001, HTTP 8000 by default)"
)
NO_TLS = "does not speak TLS: leave out --tls-ca, or give the port that does"
WANTS_TLS = "speaks TLS: give --tls-ca FILE, the certificates to trust"
NO_HTTP2 = "does not offer HTTP/2 over TLS, which gRPC needs: give the node's gRPC port"
WANTS_CERTIFICATE = (
    "ends the TLS handshake, as nodes do that ask for a client's certificate: --tls-cert FILE "
    "--tls-key FILE"
)
OF_CERTIFICATES = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")
"""In the alert of a node that rejects the client's certificate, or misses one."""
REFUSED_CERTIFICATE = "does not accept the client's certificate (--tls-cert)"


def connection_fault(endpoint: str, config: NetworkConfig) -> str | None:
    """What is wrong at the endpoint, to be read after the node's name.

    For the time before a run: connects anew and looks at what the other side speaks.
    None where it cannot be reached at all, or speaks as a gRPC server does.
    """
    address = split_endpoint(endpoint)
    seconds = min(config.deadline, SECONDS)
    try:
        if config.tls_ca is None:
            return _plain_fault(address, seconds)
        return _encrypted_fault(address, seconds, config)
    except ssl.SSLCertVerificationError as error:
        return f"shows a certificate that is not trusted: {error.verify_message}".rstrip(".")
    except ssl.SSLError as error:
        return _handshake_fault(error, address, seconds, config)
    except OSError:
        return None


def _plain_fault(address: tuple[str, int], seconds: float) -> str | None:
    greeting = _plain_greeting(address, seconds)
    # HTTP servers say in plain words that they want TLS.
    may_be_tls = not greeting or greeting.startswith((TLS_ALERT, HTTP_1))
    if may_be_tls and _speaks_tls(address, seconds):
        return WANTS_TLS
    return _foreign(greeting)


def _handshake_fault(
    error: ssl.SSLError, address: tuple[str, int], seconds: float, config: NetworkConfig
) -> str:
    reason = error.reason or str(error)
    if "ALERT" in reason and any(word in reason for word in OF_CERTIFICATES):
        return WANTS_CERTIFICATE if config.tls_cert is None else REFUSED_CERTIFICATE
    if _speaks_tls(address, seconds):
        return f"cannot agree on TLS: {reason}"
    return _foreign(_plain_greeting(address, seconds)) or NO_TLS


def _encrypted_fault(address: tuple[str, int], seconds: float, config: NetworkConfig) -> str | None:
    """Raises OSError (SSLError included) where the handshake fails."""
    with socket.create_connection(address, seconds) as plain:
        context = tls_context(config)
        with context.wrap_socket(plain, server_hostname=address[0]) as encrypted:
            if encrypted.selected_alpn_protocol() != HTTP2:
                return NO_HTTP2
            # A node asks for a certificate in the handshake, but misses it only after its end.
            try:
                greeting = _greeting(encrypted)
            except TimeoutError:
                return None
            except OSError:
                greeting = b""
            if greeting:
                return _foreign(greeting)
            return WANTS_CERTIFICATE if config.tls_cert is None else REFUSED_CERTIFICATE


def _plain_greeting(address: tuple[str, int], seconds: float) -> bytes:
    """What answers the preface; nothing where the connection is closed, or no answer comes."""
    with contextlib.suppress(OSError), socket.create_connection(address, seconds) as plain:
        return _greeting(plain)
    return b""


def _greeting(connection: socket.socket) -> bytes:
    """The first bytes of the other side, at least a frame's header where there are so many."""
    connection.sendall(PREFACE)
    received = connection.recv(1024)
    with contextlib.suppress(OSError):
        while received and len(received) < FRAME_HEADER and (part := connection.recv(1024)):
            received += part
    return received


def _speaks_tls(address: tuple[str, int], seconds: float) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Nothing is sent: this only finds out whether the node speaks TLS at all.
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(address, seconds) as plain, context.wrap_socket(plain):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _foreign(greeting: bytes) -> str | None:
    """The protocol of the other side, where it is not HTTP/2."""
    if not greeting:
        return None
    # Some answer what they do not know as HTTP/0.9 does, with just a page.
    if greeting.startswith(HTTP_1) or b"<html" in greeting.lower():
        return HTTP_PORT
    if len(greeting) >= FRAME_HEADER and greeting[3] == SETTINGS:
        return None
    shown = "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in greeting[:SHOWN].strip())
    return f'does not speak gRPC, but greets with "{shown}"'


def is_http(error: grpc.RpcError) -> bool:
    """Whether an HTTP/2 server answered that knows nothing of gRPC."""
    return "http2 header with status" in str(error.details())


def reason(error: grpc.RpcError) -> str:
    """Why a call failed, in one line."""
    code = error.code()
    details = " ".join(str(error.details()).split()).rstrip(".")
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return "did not answer within the deadline"
    if is_http(error):
        return f"speaks HTTP/2, but not gRPC ({details}): give the node's gRPC port"
    if code == grpc.StatusCode.UNAVAILABLE:
        if details.startswith(NOT_CONNECTED):
            # The text goes from the general to the cause.
            return f"cannot be reached ({details.rpartition(': ')[2].rstrip(']')})"
        # Of the server, or of a connection that broke.
        return f"is not available ({details})"
    if code == grpc.StatusCode.UNAUTHENTICATED:
        details += " (--token-file FILE gives a bearer token)"
    return f"answered {code.name}: {details}"
