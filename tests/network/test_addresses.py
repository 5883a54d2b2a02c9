"""Endpoints as they are written, and where they lead to."""

import socket
from pathlib import Path

import psutil
import pytest

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.network_config import split_endpoint
from mlperf_benchmark.network.client.addresses import is_own_machine, peers
from mlperf_benchmark.run.options import parse
from tests.conftest import Runner
from tests.network.nodes import LOOPBACK, PROFILE, started
from tests.network.test_node_checks import connected, load

OWN = "a node on LoadGen's own machine"


def ipv6_works() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def interface_addresses() -> list[str]:
    """Of this machine, beside the loopback, as hosts of endpoints."""
    return [
        address.address
        for card in psutil.net_if_addrs().values()
        for address in card
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]


def written() -> list[str]:
    hosts = ["0.0.0.0", LOOPBACK, "127.0.0.9", "localhost", *interface_addresses()]
    if ipv6_works():
        hosts += ["[::ffff:127.0.0.1]", "[::]", "[::1]", "[::ffff:0.0.0.0]", "[0:0:0:0:0:0:0:1]"]
    if any(peer for peer in peers(f"{socket.gethostname()}:8001")):
        hosts.append(socket.gethostname())
    return hosts


def test_own_machine_is_known_however_it_is_written(tmp_path: Path) -> None:
    everywhere = "[::]" if ipv6_works() else "0.0.0.0"
    with started(tmp_path, "--address", everywhere) as node:
        port = split_endpoint(node.endpoint)[1]
        for host in written():
            with connected(f"{host}:{port}") as backend:
                backend.load()
                assert OWN in backend.report(0).differences, host


def test_addresses_of_others_are_not_own() -> None:
    # For documentation (RFC 5737 and RFC 3849), and no name at all.
    for host in ("192.0.2.1", "198.51.100.7", "[2001:db8::1]", "no-such-host.invalid"):
        assert not is_own_machine(f"{host}:8001")


def test_result_of_an_unspecified_address_says_so(benchmark: Runner, tmp_path: Path) -> None:
    with started(tmp_path) as node:
        done = benchmark(
            *(*PROFILE, "--count", 5, "--scenario", "Offline", "--queries", 20),
            *("--endpoint", node.endpoint.replace(LOOPBACK, "0.0.0.0")),
        )
    assert done.status == 0, done.stderr
    assert OWN in done.result["rule_differences"]


def test_node_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    with started(tmp_path) as node:
        other = node.endpoint.replace(LOOPBACK, "0.0.0.0")
        with pytest.raises(UsageError, match=f"{node.endpoint} and {other} are one node"):
            load(node.endpoint, other)


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("::1:8001", "write an IPv6 address in brackets, [::1]:8001"),
        ("2001:db8::5:8001", "write an IPv6 address in brackets, [2001:db8::5]:8001"),
        ("::1", "write an IPv6 address in brackets, [::1]:8001"),
        ("[::1]", '"[::1]" is not HOST:PORT'),
        ("[node]:8001", '"[node]:8001" is not HOST:PORT'),
        ("node", '"node" is not HOST:PORT'),
        ("node:0", "a port is a number from 1 to 65535"),
        ("node:65536", "a port is a number from 1 to 65535"),
        ("http://node:8000", '"http://node:8000" is not HOST:PORT'),
        ("ipv4:127.0.0.1:8001", '"ipv4:127.0.0.1:8001" is not HOST:PORT'),
        ("dns:node:8001", '"dns:node:8001" is not HOST:PORT'),
        ("unix:node:8001", '"unix:node:8001" is not HOST:PORT'),
    ],
)
def test_endpoint_that_is_none_is_refused(endpoint: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(["--endpoint", f"good:8001,{endpoint}"])
    assert reason in str(caught.value)
