"""What the submission says of the model's weights, from the description beside the model file."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from mlperf_benchmark.submit.system_file import MODEL_FIELDS

Description = Mapping[str, Any]
"""A model description as results.json holds it, see mlperf_benchmark.models.files.description."""

NO_MODEL = "none: no model is run"


def model_facts(description: Description | None, has_model: bool) -> dict[str, str]:
    """The fields of measurements.json that are known; the submitter is asked for the others."""
    # The harness hands over bytes, which the model's graph normalises.
    facts = {"input_data_types": "uint8"}
    if not has_model:
        return dict.fromkeys(MODEL_FIELDS, NO_MODEL) | facts
    if description is None:
        return facts
    return facts | {
        "retraining": _retraining(description),
        "starting_weights_filename": _weights(description),
        "weight_data_types": str(description["precision"]),
        "weight_transformations": "; ".join(transformations(description)),
    }


def transformations(description: Description) -> list[str]:
    """What was done to the starting weights, one step an entry."""
    steps = []
    pruning = description.get("pruning")
    before, after = description["unpruned_size"], description["size"]
    if pruning or before != after:
        solved = ", layers solved anew" if pruning and pruning.get("reconstruct") else ""
        method = f" ({pruning['method']}, {pruning['scope']}{solved})" if pruning else ""
        steps.append(
            f"pruned{method} from {before['gmacs']:.3f} to {after['gmacs']:.3f} GMACs and from "
            f"{before['parameters']} to {after['parameters']} parameters"
        )
    quantization = description.get("quantization")
    tools = description["tools"]
    if quantization:
        steps.append(
            f"quantized to {description['precision']}: {quantization['method']}, "
            f"{quantization['preset']} preset"
        )
    # The calibration list beside the model is no part of it.
    kinds = sorted({PurePosixPath(name).suffix for name in description["files"]} - {".txt"})
    steps.append(f"converted to {' and '.join(kinds)} with {_versions(tools)}")
    return steps


def calibration_document(description: Description | None, facts: Mapping[str, str]) -> str:
    """How low-precision weights were calibrated, as Markdown."""
    precision = facts["weight_data_types"]
    lines = ["# Calibration", "", f"Weights: {precision}.", ""]
    quantization = (description or {}).get("quantization")
    if quantization:
        lines += ["Post-training quantization with these settings:", "", "| setting | value |"]
        lines += ["| --- | --- |", *_rows(quantization)]
    elif precision in ("fp32", "float32", "f32") or precision == NO_MODEL:
        lines.append("The model is not quantized: no calibration was made.")
    else:
        lines.append(f"Transformations: {facts['weight_transformations']}.")
    pruning = (description or {}).get("pruning")
    if pruning:
        lines += ["", "Batch-norm statistics were estimated anew after pruning:", ""]
        lines += ["| setting | value |", "| --- | --- |", *_rows(pruning["batch_norm"])]
    return "\n".join(lines) + "\n"


def _rows(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    rows = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _rows(value, f"{prefix}{name}: ")
        elif value is not None:
            # Of a path, the folders are the submitter's own.
            shown = PurePosixPath(value).name if name == "path" else value
            rows.append(f"| {prefix}{name.replace('_', ' ')} | {shown} |")
    return rows


def _retraining(description: Description) -> str:
    tuning = description.get("fine_tuning")
    return f"Yes: {tuning['epochs']} epochs of distillation after pruning" if tuning else "No"


def _weights(description: Description) -> str:
    weights = description["weights"]
    if weights["sha256"] is None:
        return f"none: random weights, seed {weights['seed']}"
    # A file's path tells more of the submitter than the submission needs.
    source = str(weights["source"])
    name = source if "://" in source else PurePosixPath(source).name
    return f"{description['architecture']}, {name}, sha256 {weights['sha256']}"


def _versions(tools: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in tools.items())
