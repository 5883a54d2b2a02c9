"""What a run on doubles asks for, and what it must have got."""

from mlperf_benchmark.core.image_format import Samples
from mlperf_benchmark.loadgen.accuracy_log import read_entries
from tests.command import Run
from tests.network.double import label_of
from tests.network.nodes import PROFILE

COUNT = 40
ACCURACY = (*PROFILE, "--count", COUNT, "--scenario", "Offline", "--accuracy")


def answers(run: Run) -> dict[int, int]:
    """Label of each sample; fails where LoadGen got one twice."""
    entries = read_entries(run.output / "mlperf_log_accuracy.json")
    assert len(entries) == len(dict(entries))
    return dict(entries)


def expected(samples: Samples) -> dict[int, int]:
    return {index: label_of(sample.tobytes()) for index, sample in enumerate(samples)}
