"""The documents beside a scenario's runs."""

from pathlib import Path

from mlperf_benchmark.submit.checking.finding import Finding, Findings, read_json
from mlperf_benchmark.submit.system_file import MODEL_FIELDS

DOCUMENTS = ("README.md", "user.conf")


def check_measurements(scenario: Path) -> Findings:
    """README.md, user.conf and measurements.json."""
    for name in DOCUMENTS:
        path = scenario / name
        if not path.is_file():
            yield Finding(path, "missing", "Make the tree again.")
        elif not path.stat().st_size:
            yield Finding(path, "empty", "Make the tree again.")
    path = scenario / "measurements.json"
    measurements = read_json(path)
    if measurements is None:
        yield Finding(path, "missing or unreadable", "Make the tree again.")
        return
    for field in MODEL_FIELDS:
        if not measurements.get(field):
            state = "empty" if field in measurements else "missing"
            yield Finding(path, f"the field {field} is {state}", "Fill in [model] of --system.")
