"""Images that only fill up batches, which is work without an answer."""

from dataclasses import dataclass

from backend import BackendInfo
from mlperf_benchmark.core.run_config import RunConfig

# Of the images computed; the last batch of a long run is not worth a warning.
TOLERATED_SHARE = 0.01


@dataclass(frozen=True)
class Padding:
    """`padded` images were computed beside the `answered` ones to fill up batches."""

    padded: int
    answered: int

    @property
    def computed(self) -> int:
        return self.padded + self.answered


def padding_warning(config: RunConfig, info: BackendInfo, padding: Padding) -> list[str]:
    """For a speed that is held down by images whose answers are thrown away."""
    if padding.padded <= TOLERATED_SHARE * padding.computed:
        return []
    return [
        f"{padding.padded} of {padding.computed} computed images only filled up batches, and their "
        f"answers were thrown away: each answer cost the work of "
        f"{padding.computed / padding.answered:.2f} images. {_way_out(config, info)}"
    ]


def _way_out(config: RunConfig, info: BackendInfo) -> str:
    batch, asked = info.max_batch_size, config.max_batchsize
    if config.scenario != "SingleStream" and asked is not None and asked < batch:
        return "Leave --max-batchsize out, so that batches are as large as the model takes them."
    if config.scenario == "Offline":
        return f"Give --queries a multiple of {batch}, or make the run longer with --time."
    if not info.batch_is_fixed:
        return "Choose a --max-batchsize that divides the samples of a query."
    cure = (
        "compile it for smaller batches, too (prepare.py --batches 1,8)"
        if info.name == "tvm"
        else "export it with a dynamic batch"
    )
    another = {
        "SingleStream": "measure it with --scenario Offline",
        "MultiStream": f"give --samples-per-query a multiple of {batch}",
        "Server": "raise --qps, so that more queries wait for each batch",
    }[config.scenario]
    return f"The model fixes its batch: {cure}, or {another}."
