"""What is recognised in a tree without being checked, each in one line."""

from pathlib import Path
from typing import Any

from mlperf_benchmark.submit.checking.benchmark import is_image_classification
from mlperf_benchmark.submit.checking.finding import Finding, Findings, folders, note
from mlperf_benchmark.submit.checking.performance import has_power
from mlperf_benchmark.submit.rules import NETWORK

MEASUREMENTS, COMPLIANCE = "measurements", "compliance"
NOW_IN_SCENARIO = {
    MEASUREMENTS: "measurements.json, README.md and user.conf",
    COMPLIANCE: "TEST01 and TEST04",
}


def has_older_layout(submitter: Path) -> bool:
    """Whether the documents are where they were before v6.0."""
    if not (submitter / MEASUREMENTS).is_dir():
        return False
    return not any((submitter / "results").glob("*/*/*/measurements.json"))


def older_layout(submitter: Path) -> Finding:
    """The one finding for a submitter with the folders of older rounds."""
    old = " and ".join(name for name in NOW_IN_SCENARIO if (submitter / name).is_dir())
    return Finding(
        submitter,
        f"the layout of rounds before v6.0, with {old} beside results: not checked any further",
        "Put what they hold into the scenarios' folders in results, and call code src.",
    )


def check_left_over(submitter: Path) -> Findings:
    """Folders of older rounds in a tree of today's layout."""
    for name, content in NOW_IN_SCENARIO.items():
        if (submitter / name).is_dir():
            yield note(
                submitter / name,
                f"a folder of rounds before v6.0, not read: {content} now belong in the "
                "scenarios' folders in results",
            )


def check_power(submitter: Path) -> Findings:
    """Power, which is measured by other rules."""
    measured = [folder for folder in (submitter / "results").glob("*/*/*") if has_power(folder)]
    if measured:
        plural = "" if len(measured) == 1 else "s"
        yield Finding(
            submitter / "results",
            f"power files in {len(measured)} scenario{plural}, which --check does not judge",
            "Have them checked by MLCommons' checkers.",
        )


def check_network(tree: Path) -> Findings:
    """The folder of the Network division."""
    network = tree / NETWORK
    mapping: dict[str, Any] = {}
    if not network.is_dir():
        return
    models = [model for path in network.glob("*/results/*") for model in folders(path)]
    if any(is_image_classification(model.name, mapping) for model in models):
        yield Finding(
            network,
            "the Network division, of the datacenter suite, but ResNet-50 is of the edge suite",
            "ResNet-50 over a network can be submitted to the open division alone.",
        )
    else:
        yield note(network, "the Network division, not this task, not checked")
