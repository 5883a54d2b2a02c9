"""Where an endpoint really leads, however its host is written."""

import contextlib
import ipaddress
import socket

import psutil

from mlperf_benchmark.core.network_config import split_endpoint

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def peers(endpoint: str) -> dict[Address, Address]:
    """The addresses that the endpoint's host stands for, each with the one we would send from.

    Empty where the host is unknown. Connecting a datagram socket sends nothing, but has the
    system choose both: a connection to 0.0.0.0 is one to 127.0.0.1.
    """
    host, port = split_endpoint(endpoint)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return {}
    known = {}
    for family, kind, protocol, _, address in found:
        # Where there is no way to it from here there is none for gRPC either.
        with (
            contextlib.suppress(OSError),
            socket.socket(family, kind, protocol) as probe,
        ):
            probe.connect(address)
            known[_address(probe.getpeername()[0])] = _address(probe.getsockname()[0])
    return known


def is_own_machine(endpoint: str) -> bool:
    """Whether the endpoint is, or may be, an address of this machine."""
    cards = psutil.net_if_addrs().values()
    own = {
        _address(address.address)
        for card in cards
        for address in card
        if address.family in (socket.AF_INET, socket.AF_INET6)
    }
    return any(
        # The system sends to an address of its own from that address.
        peer.is_loopback or peer.is_unspecified or peer == source or peer in own
        for peer, source in peers(endpoint).items()
    )


def _address(text: str) -> Address:
    """Without the zone; an IPv4 address as such where IPv6 wraps it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
