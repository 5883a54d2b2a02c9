"""Tells by its name which benchmark the folder of a model belongs to."""

from collections.abc import Mapping
from typing import Any

from mlperf_benchmark.submit.rules import BENCHMARK, CHECKER_MODEL

# Parts of a name by which MLCommons' checkers guess the benchmark.
GUESSED = ("mobilenet", "efficientnet", BENCHMARK)
GUESSED_BERT = "bert-99"
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
"""How the names of MLPerf's other benchmarks begin, older rounds included."""


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
    is_other = name.startswith(OTHERS) or GUESSED_BERT in name
    return is_other and not is_image_classification(folder, mapping)
