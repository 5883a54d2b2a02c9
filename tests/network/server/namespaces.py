"""Machines that a test makes up: network namespaces, each on a wire of its own to the client's."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

# Of RFC 2544, for tests of network devices.
NETWORK = "198.18"


@dataclass(frozen=True)
class Network:
    """Names of the namespaces; node `i` has `addresses[i]`."""

    client: str
    nodes: tuple[str, ...]
    addresses: tuple[str, ...]


def inside(namespace: str) -> tuple[str, ...]:
    """What runs a command in a namespace."""
    return ("ip", "netns", "exec", namespace)


@contextmanager
def network(count: int) -> Iterator[Network]:
    """A client and `count` nodes. Raises OSError or CalledProcessError where that is forbidden."""
    stem = f"mlperf-{os.getpid()}"
    client = f"{stem}-client"
    nodes = tuple(f"{stem}-node{place}" for place in range(count))
    addresses = tuple(f"{NETWORK}.{place}.2" for place in range(count))
    with ExitStack() as stack:
        for name in (client, *nodes):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for place, name in enumerate(nodes):
            mine, theirs = f"client{place}", "eth0"
            link = ("link", "add", mine, "type", "veth")
            _ip("-n", client, *link, "peer", "name", theirs, "netns", name)
            _up(client, mine, f"{NETWORK}.{place}.1")
            _up(name, theirs, addresses[place])
        yield Network(client, nodes, addresses)


def delay(namespace: str, milliseconds: int) -> bool:
    """Delay what a node sends, where the kernel has netem; whether it has."""
    options: Sequence[str] = ("qdisc", "add", "dev", "eth0", "root", "netem", "delay")
    command = [*inside(namespace), "tc", *options, f"{milliseconds}ms"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _up(namespace: str, device: str, address: str) -> None:
    _ip("-n", namespace, "address", "add", f"{address}/24", "dev", device)
    _ip("-n", namespace, "link", "set", device, "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
