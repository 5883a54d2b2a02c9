"""Measures the errors that --accuracy asks for."""

import argparse
from collections.abc import Sequence

from mlperf_benchmark.explain.layer_errors import ErrorSettings, Model, explain_errors
from mlperf_benchmark.explain.layer_errors_options import choose_images
from mlperf_benchmark.explain.layer_errors_record import Accuracy
from mlperf_benchmark.explain.subjects import Subject, backend_config
from mlperf_benchmark.models.optimize.sensitive_layers import WORST


def find_errors(options: argparse.Namespace, subjects: Sequence[Subject]) -> Accuracy | None:
    """Compare each subject's layers with the first subject's; None without --accuracy.

    Raises UsageError, one of its subclasses, or InferenceError.
    """
    if not options.accuracy:
        return None
    # If an ONNX file has no card, the models made from it may still tell its preprocessing.
    own = next((one.images for one in subjects if one.images.is_told), subjects[0].images)
    images = choose_images(options, own.dataset, own.preprocessing)
    offset = own.card.labels_offset if options.labels_offset is None else options.labels_offset
    config = backend_config(options, own, images.dataset.image)
    models = [Model(subject.name, subject.file) for subject in subjects]
    settings = ErrorSettings(config, options.worst_layers or WORST, offset)
    return explain_errors(models, images, settings)
