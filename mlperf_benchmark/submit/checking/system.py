"""The system description."""

from pathlib import Path
from typing import Any

from mlperf_benchmark.submit.checking.finding import Finding, Findings, read_json
from mlperf_benchmark.submit.rules import STATUSES, SYSTEM_TYPES
from mlperf_benchmark.submit.system_fields import MAY_BE_EMPTY, SYSTEM_FIELDS


def check_system(path: Path, division: str, submitter: str) -> Findings:
    """systems/SYSTEM.json of one system with results."""
    system = read_json(path)
    if system is None:
        yield Finding(path, "no readable system description", "Make the tree again.")
        return
    for field in sorted(SYSTEM_FIELDS):
        if field not in system:
            yield Finding(path, f"the field {field} is missing", "Add it to [system] of --system.")
        elif not system[field] and field not in MAY_BE_EMPTY:
            yield Finding(
                path,
                f"the field {field} is empty",
                'Fill it in in [system] of --system; "N/A" where nothing applies.',
            )
    yield from _check_values(path, system, division, submitter)


def _check_values(path: Path, system: dict[str, Any], division: str, submitter: str) -> Findings:
    for field, expected in (("division", division), ("submitter", submitter)):
        value = str(system.get(field, ""))
        if value and value.lower() != expected.lower():
            yield Finding(
                path,
                f'the {field} is "{value}" here and "{expected}" in the path',
                "Make the tree again, or rename the folder.",
            )
    if str(system.get("status", "")).lower() not in STATUSES:
        yield Finding(path, "no known status", f"One of: {', '.join(STATUSES)}.")
    if system.get("system_type") not in SYSTEM_TYPES:
        yield Finding(path, "no known system_type", f"One of: {', '.join(SYSTEM_TYPES)}.")
    if "is_network" in system:
        yield Finding(
            path,
            "is_network asks for the fields of systems over a network",
            "Remove it: the system under test and LoadGen are one process here.",
        )
