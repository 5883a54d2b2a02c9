"""What the checks of a scenario's folder need to know."""

from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.run_config import SCENARIOS
from mlperf_benchmark.submit.rules import RulesVersion


@dataclass(frozen=True)
class Scenario:
    """`name` is LoadGen's. `is_edge` and `over_network` are the system description's."""

    folder: Path
    name: str
    division: str
    is_edge: bool
    over_network: bool
    version: RulesVersion


def scenario_name(folder: str) -> str | None:
    """LoadGen's name of a folder's scenario, also of one in lower case; None for no scenario."""
    lower = {name.lower(): name for name in SCENARIOS}
    return folder if folder in SCENARIOS else lower.get(folder)
