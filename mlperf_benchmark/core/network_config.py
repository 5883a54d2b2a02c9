"""How served nodes are reached."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

NODE_LOSS = ("fail", "continue")
PIXELS = "pixels"
JPEG = "jpeg"
PAYLOADS = (PIXELS, JPEG)
PORTS = range(1, 1 << 16)
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class NetworkConfig:
    """The nodes that serve one model, and how to treat them.

    `endpoints` are host:port. `model_version` None leaves the choice among several versions to the
    server. `deadline` is in seconds, from sending a request to its answer; `in_flight` bounds the
    unanswered requests of each node. `on_node_loss` "fail" ends the run with the node, "continue"
    sends its requests to the others. The token itself is read from `token_file` or the environment
    when the connection is made, and appears in no result.
    """

    endpoints: tuple[str, ...]
    served_model: str
    model_version: str | None
    deadline: float
    in_flight: int
    on_node_loss: str
    payload: str
    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    token_file: Path | None


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host, an IPv6 address without its brackets, and port. Raises ValueError saying what is wrong.

    A name, an IPv4 address or an IPv6 address in brackets; no scheme and no path.
    """
    host, _, port = endpoint.rpartition(":")
    if is_ipv6(endpoint) or is_ipv6(host):
        example = f"[{host}]:{port}" if is_ipv6(host) else f"[{endpoint}]:8001"
        raise ValueError(
            f'"{endpoint}" is not HOST:PORT: write an IPv6 address in brackets, {example}'
        )
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else ""
    if not (is_ipv6(inner) or _NAME.fullmatch(host)):
        raise ValueError(f'"{endpoint}" is not HOST:PORT')
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) not in PORTS:
        raise ValueError(f'"{endpoint}" is not HOST:PORT: a port is a number from 1 to 65535')
    return inner or host, int(port)


def is_ipv6(text: str) -> bool:
    """Whether this is an IPv6 address, with or without a zone, without brackets."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
