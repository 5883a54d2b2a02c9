"""Which benchmark the folder of a model is of, by the name that it has."""

from collections.abc import Mapping
from typing import Any

from mlperf_benchmark.submit.rules import BENCHMARK, CHECKER_MODEL

# A part of a name that MLCommons' checkers take for image classification wherever it stands.
GUESSED = ("mobilenet", "efficientnet", BENCHMARK)
OTHERS = (
    "3d-unet",
    "bert",
    "deepseek",
    "dlrm",
    "e2e-rag",
    "gpt-oss",
    "gptj",
    "llama",
    "mixtral",
    "pointpainting",
    "qwen",
    "retinanet",
    "rgat",
    "rnnt",
    "ssd-resnet34",
    "stable-diffusion",
    "wan-",
    "whisper",
    "yolo",
)
"""How the names of MLPerf's other benchmarks begin, those of older rounds among them."""


def is_image_classification(folder: str, mapping: Mapping[str, Any]) -> bool:
    """By the checkers' order: an official name, the submitter's mapping, a guess.

    `mapping` is the model_mapping.json of the open division; the closed one has none.
    """
    if folder in (BENCHMARK, CHECKER_MODEL, "mobilenet"):
        return True
    mapped = mapping.get(folder)
    return bool(mapped == CHECKER_MODEL) if mapped else any(part in folder for part in GUESSED)


def is_other_benchmark(folder: str, mapping: Mapping[str, Any]) -> bool:
    """Whether it is one of MLPerf's other tasks."""
    name = str(mapping.get(folder) or folder)
    return not is_image_classification(folder, mapping) and name.startswith(OTHERS)
