"""The weights that a command starts from, with what its user should see of getting them."""

from pathlib import Path

from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.weights import LoadedModel, load_weights
from mlperf_benchmark.models.prepare.progress import download_progress


def initial_weights(
    architecture: Architecture, name: str, *, seed: int, cache_dir: Path
) -> LoadedModel:
    """`load_weights` with a bar for a download and a line on what was taken. Raises as that."""
    with download_progress(name) as progress:
        loaded = load_weights(architecture, name, seed=seed, cache_dir=cache_dir, progress=progress)
    if loaded.remark is not None:
        tell(loaded.remark)
    return loaded
