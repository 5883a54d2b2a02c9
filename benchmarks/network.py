"""What the way to served nodes costs, measured on the loopback: no result of a cluster.

    python3 -m benchmarks.network cost --model FILE.xml --profile efficientnet-lite0 \\
        --endpoint 127.0.0.1:8001 [--rounds 5] [--seconds 8] [--qps RATE]
    python3 -m benchmarks.network scaling [--rounds 3]
    python3 -m benchmarks.network limit

`cost` compares nodes that serve the model with the same model in the harness's own process:
Offline samples/s and Server's p99. `scaling` takes 1, 2 and 3 nodes that sleep instead of
computing. `limit` finds what a query costs the client itself, with a node that answers at once.
"""

import argparse
import resource
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from benchmarks.harness_runs import run_main
from benchmarks.interleaving import interleave, ratio
from mlperf_benchmark.core.option_values import positive_int
from tests.network.nodes import cluster, endpoints

NODES = (1, 2, 3)
# A node that sleeps makes AT_ONCE / SLEEP samples a second.
SLEEP = 0.04
AT_ONCE = 4
SECONDS = 5
FEW, MANY = 1000, 6000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=MEASUREMENTS)
    parser.add_argument("--model")
    parser.add_argument("--profile", help="without its backend: pytorch, efficientnet-lite0")
    parser.add_argument("--endpoint")
    parser.add_argument("--served-model", help="its name on the nodes (default: the profile's)")
    parser.add_argument("--model-version", help="of the served model (default: the node's choice)")
    parser.add_argument("--qps", help="Server's rate (default: half of the node's in Offline)")
    parser.add_argument("--rounds", type=positive_int, default=3)
    parser.add_argument("--seconds", type=positive_int, default=SECONDS)
    options = parser.parse_args()
    MEASUREMENTS[options.what](options)


def cost(options: argparse.Namespace) -> None:
    data = ("--dataset", "synthetic", "--time", str(options.seconds))
    inside = ("--profile", f"{options.profile}-openvino", "--model", options.model, *data)
    named = ("--served-model", options.served_model) if options.served_model else ()
    version = ("--model-version", options.model_version) if options.model_version else ()
    nodes = ("--endpoint", options.endpoint, *named, *version)
    served = ("--profile", f"{options.profile}-kserve", *nodes, *data)

    def rate(arguments: Sequence[str]) -> float:
        return run_main(*arguments, "--scenario", "Offline").timing.samples_per_second

    def p99(arguments: Sequence[str], qps: str) -> float:
        server = ("--scenario", "Server", "--qps", qps, "--max-latency", "1")
        return run_main(*arguments, *server).timing.latency_ms["p99"]

    rates = interleave(
        {"served": lambda: rate(served), "in process": lambda: rate(inside)}, options.rounds
    )
    _show(rates, "samples/s")
    print(f"Offline samples/s, served / in process: {ratio(rates['served'], rates['in process'])}")
    qps = options.qps or f"{statistics.median(rates['served']) / 2:.0f}"
    latencies = interleave(
        {"served": lambda: p99(served, qps), "in process": lambda: p99(inside, qps)},
        options.rounds,
    )
    _show(latencies, f"ms p99 at {qps}/s")
    print(f"Server p99, served / in process: {ratio(latencies['served'], latencies['in process'])}")


def scaling(options: argparse.Namespace) -> None:
    alone = AT_ONCE / SLEEP

    def rate(count: int) -> float:
        with _doubles(count, "--delay", SLEEP) as addresses:
            return _offline(addresses, int(alone * count * options.seconds))

    rates = interleave({str(count): partial(rate, count) for count in NODES}, options.rounds)
    _show(rates, "samples/s")
    for count in NODES[1:]:
        linear = [count * one for one in rates["1"]]
        print(f"{count} nodes / {count} × one node: {ratio(rates[str(count)], linear)}")


def limit(options: argparse.Namespace) -> None:
    for _ in range(options.rounds):
        few, _ = _client(FEW)
        many, rate = _client(MANY)
        each = (many - few) / (MANY - FEW)
        print(
            f"{rate:.0f} samples/s beside the node; {each * 1e6:.0f} us CPU of the client a query"
        )


def _client(queries: int) -> tuple[float, float]:
    """CPU seconds of a run, and its samples a second."""
    with _doubles(1) as addresses:
        before = _cpu_of_children()
        rate = _offline(addresses, queries)
        return _cpu_of_children() - before, rate


@contextmanager
def _doubles(count: int, *options: object) -> Iterator[str]:
    """Yields the addresses of so many."""
    nodes = [("--name", number, "--at-once", AT_ONCE, *options) for number in range(count)]
    with TemporaryDirectory() as folder, cluster(Path(folder), *nodes) as started:
        yield endpoints(started)[1]


def _offline(addresses: str, queries: int) -> float:
    """Samples a second."""
    result = run_main(
        *("--profile", "pytorch-kserve", "--dataset", "synthetic", "--count", "64"),
        *("--scenario", "Offline", "--queries", str(queries), "--in-flight", "16"),
        *("--endpoint", addresses),
    )
    return result.timing.samples_per_second


def _cpu_of_children() -> float:
    """Seconds of the processes that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _show(values: Mapping[str, list[float]], unit: str) -> None:
    for name, figures in values.items():
        print(f"{name}: median {statistics.median(figures):.2f} {unit}")


MEASUREMENTS: Mapping[str, Callable[[argparse.Namespace], None]] = MappingProxyType(
    {"cost": cost, "scaling": scaling, "limit": limit}
)


if __name__ == "__main__":
    main()
