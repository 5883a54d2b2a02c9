"""What results say about the nodes that served a run."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NodeInfo:
    """One node, as it described itself.

    `answered` counts the queries of the test and of the probe before it. `lost` is why the node
    was given up, or None. `runtime` is what the node says of its backend, threads, precision and
    machine; None where its engine cannot tell.
    """

    address: str
    name: str
    engine: str
    version: str
    model: str
    model_version: str
    runtime: dict[str, Any] | None
    answered: int = 0
    lost: str | None = None


@dataclass(frozen=True)
class NetworkReport:
    """How the nodes did over a whole run.

    `differences` are from MLPerf's rules, `invalid_reasons` say why the figures do not stand.
    """

    nodes: tuple[NodeInfo, ...]
    differences: tuple[str, ...]
    invalid_reasons: tuple[str, ...]
    warnings: tuple[str, ...]
