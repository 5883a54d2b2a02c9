"""The nodes as one system: whether they agree, and what to report about them."""

from collections import Counter
from collections.abc import Sequence

from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.network_config import split_endpoint
from mlperf_benchmark.core.node_info import NetworkReport, NodeInfo
from mlperf_benchmark.network.client.addresses import is_own_machine, peers
from mlperf_benchmark.network.client.node import Description

# As a share of one CPU: Python's lock allows the client no more, besides gRPC's own threads.
BUSY = 0.8


def check_distinct(endpoints: Sequence[str]) -> None:
    """Raises UsageError where two endpoints are the same port of the same machine."""
    seen: dict[object, str] = {}
    for endpoint in endpoints:
        port = split_endpoint(endpoint)[1]
        for peer in peers(endpoint):
            other = seen.setdefault((peer, port), endpoint)
            if other != endpoint:
                raise UsageError(
                    f"{other} and {endpoint} are one node, {peer} port {port}: name it once."
                )


def check_agreement(descriptions: Sequence[Description]) -> None:
    """Raises ModelError naming the first node that serves something else than the first one."""
    first = descriptions[0]
    for other in descriptions[1:]:
        for what, one, two in (
            ("model (sha256)", _sha256(first), _sha256(other)),
            ("version of the model", _version(first), _version(other)),
            ("input", first.interface.images, other.interface.images),
            ("output", first.interface.output, other.interface.output),
            ("number of classes", first.interface.classes, other.interface.classes),
        ):
            if one != two:
                raise ModelError(
                    f"Node {other.info.address} serves another {what} than "
                    f"{first.info.address}: {two} instead of {one}."
                )


def unique_names(names: Sequence[str], addresses: Sequence[str]) -> tuple[str, ...]:
    """The nodes' names; one that several nodes have gets the node's address."""
    counts = Counter(names)
    return tuple(
        name if counts[name] == 1 else f"{name} at {address}"
        for name, address in zip(names, addresses, strict=True)
    )


def report(
    descriptions: Sequence[Description], nodes: Sequence[NodeInfo], client_load: float
) -> NetworkReport:
    """`nodes` are the infos after the test; `client_load` is in CPUs."""
    differences = []
    warnings = []
    if not descriptions[0].interface.takes_argmax:
        differences.append("ArgMax in the QDL")
        warnings.append(
            "The nodes answer class scores, and the client takes the ArgMax: the network division "
            "wants it on the node. docs/serving.md shows how to serve labels."
        )
    names = Counter(node.name for node in nodes)
    shared = sorted(name for name in names if names[name] > 1)
    if shared:
        differences.append("nodes of the same name")
        warnings.append(
            f"Several nodes are called {', '.join(shared)}: give each a name of its own (Triton: "
            "--id NAME)."
        )
    nameless = [told.info.address for told in descriptions if not told.tells_name]
    if nameless:
        differences.append("a node without a name of its own")
        warnings.append(
            f"{', '.join(nameless)} has no name of its own, which LoadGen asks for: its address "
            "is used instead."
        )
    warnings += [
        f"{told.info.address} holds the versions {', '.join(told.versions)} of the model and "
        "chooses one itself: name one with --model-version."
        for told in descriptions
        if len(told.versions) > 1
    ]
    local = [node.address for node in nodes if is_own_machine(node.address)]
    if local:
        differences.append("a node on LoadGen's own machine")
        warnings.append(
            f"{', '.join(local)} is this machine: such a run tests the set-up, and its figures are "
            "not those of a cluster."
        )
    if len({_precision(node) for node in nodes}) > 1:
        found = ", ".join(f"{node.address} {_precision(node)}" for node in nodes)
        warnings.append(f"The nodes compute in different precisions: {found}.")
    if client_load > BUSY:
        warnings.append(
            f"The client was busy for {client_load:.0%} of the time, and Python works on one CPU: "
            "this may have measured the client, and not the nodes."
        )
    lost = [node for node in nodes if node.lost]
    differences += [f"node {node.address} lost" for node in lost]
    return NetworkReport(
        nodes=tuple(nodes),
        differences=tuple(differences),
        invalid_reasons=tuple(
            f"Node {node.address} was lost: it {node.lost}. Its unanswered queries were sent again "
            "to the others."
            for node in lost
        ),
        warnings=tuple(warnings),
    )


def _sha256(description: Description) -> str | None:
    return None if description.model is None else str(description.model.model["sha256"])


def _version(description: Description) -> str | None:
    """Tells models apart where no sha256 does."""
    return description.info.model_version if description.model is None else None


def _precision(node: NodeInfo) -> str:
    return str((node.runtime or {}).get("executed_precision", "unknown"))
