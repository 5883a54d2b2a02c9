"""What can be known to fail before hours of runs."""

from dataset import DATASETS
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.files import Hashes
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.images.label_list import find_label_list
from mlperf_benchmark.models.files.description import ModelDescription, read_description
from mlperf_benchmark.submit.rules import DATASET_SAMPLES


def foresee(config: RunConfig, closed: bool, hashes: Hashes) -> ModelDescription | None:
    """The description of the model, where there is one.

    `closed` is False for rehearsals of the closed division, too. Raises UsageError for a model
    or data set that no tree can be made with.
    """
    if config.model is not None and not config.model.is_file():
        raise ModelError(f"The model {config.model} does not exist.")
    description = read_description(config.model, hashes) if config.model else None
    if not DATASETS.load(config.dataset).has_labels or config.dataset_path is None:
        raise UsageError(
            f"The data set {config.dataset} has no labels, and a submission needs accuracy: choose "
            f"another with --dataset and --dataset-path."
        )
    images = find_label_list(config.dataset_path, config.dataset_list, config.count)
    different = len(set(images.names))
    if closed and (different, len(images.names)) != (DATASET_SAMPLES, DATASET_SAMPLES):
        raise UsageError(
            f"{images.source} names {len(images.names)} images, {different} of them different, and "
            f"the closed division needs ImageNet's {DATASET_SAMPLES}."
        )
    if closed and (config.model is None or (description and description.has_random_weights)):
        raise UsageError("Without trained weights no accuracy is enough for the closed division.")
    return description
