"""Loads the weights that a command starts from and tells the user about it."""

from pathlib import Path

from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.weights import LoadedModel, load_weights
from mlperf_benchmark.models.prepare.progress import download_progress


def initial_weights(
    architecture: Architecture, name: str, *, seed: int, cache_dir: Path
) -> LoadedModel:
    """Call `load_weights` with a download bar and report what was loaded.

    Raises the same errors.
    """
    with download_progress(name) as progress:
        loaded = load_weights(architecture, name, seed=seed, cache_dir=cache_dir, progress=progress)
    if loaded.remark is not None:
        tell(loaded.remark)
    return loaded
