"""The system description."""

from pathlib import Path
from typing import Any

from mlperf_benchmark.submit.checking.finding import Finding, Findings
from mlperf_benchmark.submit.rules import REQUIRED_BY_SYSTEM_TYPE, STATUSES, SYSTEM_TYPES
from mlperf_benchmark.submit.system_fields import (
    MAY_BE_EMPTY,
    NETWORK_FIELDS,
    SYSTEM_FIELDS,
    TEXT_FIELDS,
)

ADD = "Add it to [system] of --system."


def check_system(
    path: Path, system: dict[str, Any] | None, division: str, submitter: str
) -> Findings:
    """`system` is the content of systems/SYSTEM.json, of a system with results of ResNet-50."""
    if system is None:
        yield Finding(path, "no readable system description", "Make the tree again.")
        return
    for field in sorted(SYSTEM_FIELDS):
        if field not in system:
            yield Finding(path, f"the field {field} is missing", ADD)
        elif not system[field] and field not in MAY_BE_EMPTY:
            yield Finding(
                path,
                f"the field {field} is empty",
                'Fill it in in [system] of --system; "N/A" where nothing applies.',
            )
        elif field in TEXT_FIELDS and not isinstance(system[field], str):
            yield Finding(path, f"the field {field} is not text", "Put it in quotes.")
    yield from _check_values(path, system, division, submitter)
    yield from _check_network(path, system, division)


def is_over_network(system: dict[str, Any] | None) -> bool:
    """Whether the system is said to be reached over a network."""
    said = (system or {}).get("is_network")
    return isinstance(said, str) and said.lower() == "true"


def _check_values(path: Path, system: dict[str, Any], division: str, submitter: str) -> Findings:
    named, by = str(system.get("division", "")), str(system.get("submitter", ""))
    wrong = []
    if named and named != division:
        wrong.append(("division", named, division))
    if by and by.lower() != submitter.lower():
        wrong.append(("submitter", by, submitter))
    for field, value, expected in wrong:
        yield Finding(
            path,
            f'the {field} is "{value}" here and "{expected}" in the path',
            "Make the tree again, or rename the folder.",
        )
    if str(system.get("status", "")).lower() not in STATUSES:
        yield Finding(path, "no known status", f"One of: {', '.join(STATUSES)}.")
    system_type = system.get("system_type")
    if system_type not in SYSTEM_TYPES:
        known_types = '", "'.join(REQUIRED_BY_SYSTEM_TYPE)
        yield Finding(path, "no known system_type", f'One of: "{known_types}".')
    elif system_type not in REQUIRED_BY_SYSTEM_TYPE:
        yield Finding(
            path,
            f'results of ResNet-50 with the system_type "{system_type}"',
            "The datacenter suite has had no ResNet-50 since v5.1: write edge, or leave them out.",
        )


def _check_network(path: Path, system: dict[str, Any], division: str) -> Findings:
    said = system.get("is_network")
    if said is not None and not isinstance(said, str):
        yield Finding(path, "is_network is not text", 'Write "true" in quotes, or leave it out.')
    elif said:
        missing = [field for field in NETWORK_FIELDS if field not in system]
        if missing:
            yield Finding(
                path,
                f"is_network asks for {', '.join(missing)}",
                "Add them, or leave is_network out where LoadGen and the system are one machine.",
            )
    if is_over_network(system) and division == "closed":
        yield Finding(
            path,
            "a system over a network in the closed division",
            "ResNet-50 over a network can be submitted to the open division alone.",
        )
