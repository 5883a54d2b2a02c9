"""`prepare.py sensitivity`: what the answers lose with each layer's channels."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlperf_benchmark.core.errors import OutputError, UnknownNameError
from mlperf_benchmark.models.prepare.sample import Sample
from mlperf_benchmark.models.prepare.sensitivity import find_sensitivity
from mlperf_benchmark.models.prepare.sensitivity_options import SensitivityRun, parse
from tests.models.small_nets import register_small
from tests.models.test_prepare import command


@pytest.fixture
def run(tmp_path: Path) -> SensitivityRun:
    """On noise, as its weights are random."""
    return SensitivityRun(
        register_small(), "random", calibration_count=6, output=tmp_path / "found"
    )


def content(run: SensitivityRun) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run.output / "sensitivity.json").read_text())
    return record


def test_each_layer_alone_loses_parts_of_its_channels(run: SensitivityRun) -> None:
    lines: list[str] = []
    find_sensitivity(run, lines.append)
    record = content(run)
    assert lines[0] == "Unpruned: agreement 6/6"
    assert lines[1].split() == ["layer", "channels", "-25%", "-50%", "-75%"]
    layers = record["layers"]
    assert [layer["layer"] for layer in layers] == [
        "stem",
        "blocks.0.conv1",
        "blocks.0.conv2",
        "blocks.1.conv1",
        "blocks.1.conv2",
    ]
    for line, layer in zip(lines[2:], layers, strict=True):
        assert line.split() == [layer["layer"], "8", *map(str, layer["good"])]
        assert all(0 <= good <= 6 for good in layer["good"])
    svg = (run.output / "sensitivity.svg").read_text()
    assert "agreement of 6" in svg
    assert "blocks.1.conv2" in svg


def test_interrupted_measurement_goes_on_to_the_same_record(
    run: SensitivityRun, tmp_path: Path
) -> None:
    stopped = replace(run, output=tmp_path / "stopped")

    def stop_after_two_layers(line: str) -> None:
        if line.startswith("blocks.0.conv1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_sensitivity(stopped, stop_after_two_layers)
    first = content(stopped)["layers"]
    assert [layer["layer"] for layer in first] == ["stem", "blocks.0.conv1"]
    lines: list[str] = []
    find_sensitivity(stopped, lines.append)
    find_sensitivity(run, lambda _line: None)
    assert content(stopped) == content(run)
    assert len(lines) == 2 + len(content(run)["layers"])


def test_another_measurement_is_not_mixed_in(run: SensitivityRun) -> None:
    find_sensitivity(run, lambda _line: None)
    with pytest.raises(OutputError, match="method was l2, now l1"):
        find_sensitivity(replace(run, method="l1"), lambda _line: None)
    find_sensitivity(replace(run, method="l1", overwrite=True), lambda _line: None)
    (run.output / "sensitivity.json").write_text("{}")
    with pytest.raises(OutputError, match="is not a record of"):
        find_sensitivity(run, lambda _line: None)


def test_command_has_its_own_help_and_names_what_is_wrong() -> None:
    result = command("prepare.py", "sensitivity", "--help")
    assert result.returncode == 0
    assert "each layer alone loses 25, 50 and 75 %" in " ".join(result.stdout.split())
    with pytest.raises(UnknownNameError, match='Did you mean "fpgm"'):
        parse(["resnet50", "--weights=random", "--prune-method=fpmg"])


def test_top1_is_counted_on_labelled_images(sample: Sample, run: SensitivityRun) -> None:
    lines: list[str] = []
    find_sensitivity(replace(run, validation_path=sample.images), lines.append)
    assert lines[0].startswith("Unpruned: top-1 ")
    assert lines[0].endswith("/20")
