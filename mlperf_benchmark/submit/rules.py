"""What MLPerf Inference asks of ResNet-50: facts of its rules and of the official checkers."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.loadgen.rules import IMAGENET_VALIDATION_IMAGES, SEEDS

DIVISIONS = ("closed", "open")
NETWORK = "network"
"""The division of the datacenter suite alone, so not of ResNet-50."""

BENCHMARK = "resnet50"
CHECKER_MODEL = "resnet"
"""The checkers' own name for the benchmark, to which model_mapping.json maps other folders."""

REQUIRED_SCENARIOS = ("SingleStream", "MultiStream", "Offline")
"""Of the closed division for an edge system; the edge suite has no Server."""

REQUIRED_BY_SYSTEM_TYPE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "edge": REQUIRED_SCENARIOS,
        "datacenter,edge": (*REQUIRED_SCENARIOS, "Server"),
        "edge,datacenter": (*REQUIRED_SCENARIOS, "Server"),
    }
)
"""Of the closed division. The datacenter suite alone has had no ResNet-50 since v5.1."""

INFERABLE_FROM: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"MultiStream": ("SingleStream",), "Offline": ("SingleStream", "MultiStream")}
)
"""The scenarios whose logs may stand for a scenario's own, in the edge suite."""

PERFORMANCE, ACCURACY, TEST01, TEST04 = "performance", "accuracy", "TEST01", "TEST04"
COMPLIANCE_TESTS = (TEST01, TEST04)

MIN_DURATION_MS = 600_000
MIN_OFFLINE_SAMPLES = 24_576
PERFORMANCE_SAMPLES = 1024
DATASET_SAMPLES = IMAGENET_VALIDATION_IMAGES
SERVER_LATENCY_NS = 15_000_000
REFERENCE_TOP1 = 76.46
ACCURACY_TARGET = 0.99 * REFERENCE_TOP1
MAX_ACCURACY_LOG_BYTES = 10 * 1024
MAX_FILE_BYTES = 50 * 1024 * 1024
STATUSES = ("available", "preview", "rdi")
SYSTEM_TYPES = ("datacenter", *REQUIRED_BY_SYSTEM_TYPE)


@dataclass(frozen=True)
class RulesVersion:
    """The random seeds of a round of MLPerf Inference, and the LoadGen that has them built in."""

    name: str
    loadgen: str
    seeds: Mapping[str, int]


def _seeds(qsl: int, sample_index: int, schedule: int) -> Mapping[str, int]:
    return MappingProxyType(dict(zip(SEEDS, (qsl, sample_index, schedule), strict=True)))


VERSIONS: Mapping[str, RulesVersion] = MappingProxyType(
    {
        "v6.1": RulesVersion(
            "v6.1",
            "6.0.16 or 6.0.17",
            _seeds(2085463073848966840, 2747215439041700203, 16159082839903944936),
        ),
        "v6.0": RulesVersion(
            "v6.0",
            "6.0.5 to 6.0.15",
            _seeds(2465351861681999779, 14276810075590677512, 3936089224930324775),
        ),
    }
)
DEFAULT_VERSION = "v6.1"


def rules_version(name: str) -> RulesVersion:
    """The rules of that round; UnknownNameError for one that is not known here."""
    return VERSIONS[known_name("version of the rules", name, VERSIONS)]


def kinds_of_runs(division: str) -> tuple[str, ...]:
    """The runs that each scenario needs: next to each other those whose speeds are compared."""
    compliance = COMPLIANCE_TESTS if division == "closed" else ()
    return (PERFORMANCE, *compliance, ACCURACY)
