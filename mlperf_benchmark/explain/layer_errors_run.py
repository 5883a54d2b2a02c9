"""What --accuracy does."""

import argparse
from collections.abc import Sequence

from backend import BackendConfig
from mlperf_benchmark.explain.layer_errors import ErrorSettings, Model, explain_errors
from mlperf_benchmark.explain.layer_errors_options import WORST, choose_images
from mlperf_benchmark.explain.layer_errors_record import Accuracy
from mlperf_benchmark.explain.subjects import Subject


def find_errors(options: argparse.Namespace, subjects: Sequence[Subject]) -> Accuracy | None:
    """Errors of the layers of all subjects against the first's; None where not asked for.

    Raises UsageError and its kinds, or InferenceError.
    """
    if not options.accuracy:
        return None
    images = choose_images(options, subjects[0].dataset)
    config = BackendConfig(
        model=None, image=images.dataset.image, max_batch_size=1, cache_dir=options.cache_dir
    )
    models = [Model(subject.name, subject.file) for subject in subjects]
    return explain_errors(models, images, ErrorSettings(config, options.worst_layers or WORST))
