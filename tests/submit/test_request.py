"""What submission.py refuses before it does anything."""

import pytest

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.submit.options import parse


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--division closed --time 60", "add --rehearsal"),
        ("--division closed --scenarios Offline", "needs SingleStream, MultiStream"),
        ("--division closed --scenarios Server --rehearsal", "is not a scenario of ResNet-50"),
        ("--scenarios SingelStream", 'Did you mean "SingleStream"?'),
        ("--runs old", "--profile does not apply to --runs"),
        ("--max-latency 0.1", "--max-latency applies to --find-peak"),
        ("--check tree", "--profile does not apply to --check"),
        ("--find-peak --division closed", "--division does not apply to --find-peak"),
    ],
)
def test_what_makes_no_submission_is_refused(line: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        parse(["--profile", "null", *line.split()])


def test_rehearsal_of_closed_is_allowed() -> None:
    request = parse(
        ["--division", "closed", "--time", "60", "--rehearsal", "--scenarios", "Offline"]
    )
    assert request.is_rehearsal
    assert request.scenarios == ("Offline",)


@pytest.mark.parametrize("given", ["--profile pytorch-kserve", "--backend kserve"])
def test_served_nodes_are_no_machine(given: str) -> None:
    with pytest.raises(UsageError, match="of one machine, not of the kserve backend") as caught:
        parse(given.split())
    assert "ResNet-50 over a network can be submitted to the open division alone" in str(
        caught.value
    )
