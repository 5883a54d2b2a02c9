"""OpenVINO Model Server's layout: a model whose graph takes pixels and gives labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from mlperf_benchmark.core.errors import OutputError, UsageError
from mlperf_benchmark.core.network_config import PIXELS
from mlperf_benchmark.core.text import printable
from mlperf_benchmark.models.files.openvino_ir import OpenVINOIr
from mlperf_benchmark.network.served_model import INPUTS, LABELS, PARAMETER, ServedModel
from mlperf_benchmark.network.server.inspection import describe_served, fitted, inspected
from mlperf_benchmark.network.server.repository import new_model, served_name
from mlperf_benchmark.network.server.request import ServingRequest
from mlperf_benchmark.openvino_model.graph import FittedModel

VERSION = "1"
CONFIG = "config.json"
MODELS = "model_config_list"


def write_ovms(request: ServingRequest) -> Path:
    """Write the model into the repository `request.output` and into its config.json.

    Raises UsageError and its kinds, and leaves nothing half-written. Returns the model's folder.
    """
    with inspected(request) as model:
        if model.backend != "openvino":
            raise UsageError(f"OpenVINO Model Server cannot run {request.model}; Triton can.")
        served = describe_served(request, model, served_name(request, model))
        graph = answering_labels(fitted(model.config), served.label_offset)
        # The model server hands `model_info` out over REST.
        graph.set_rt_info(served.to_json(), ["model_info", PARAMETER])
        weights = printable(str(model.description.weights)) if model.description else "unknown"
        with new_model(request.output, served.name) as staging:
            # Read where no other process writes a model of its own to it.
            config = _with_model(request.output / CONFIG, served)
            version = staging / served.name / VERSION
            version.mkdir()
            OpenVINOIr().save(graph, version, "model", weights)
            (staging / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return request.output / served.name


def answering_labels(fitted_model: FittedModel, label_offset: int) -> ov.Model:
    """The graph from uint8 pixels, NHWC, to float32 class indices of shape (batch, 1).

    Where scores are NaN, the label is any.
    """
    model = fitted_model.model
    model.inputs[0].set_names({INPUTS[PIXELS]})
    scores = model.outputs[fitted_model.output_index].node.input_value(0)
    if fitted_model.takes_argmax:
        rows = ops.reshape(scores, np.array([0, -1]), special_zero=True)
        best = ops.slice(rows, np.array([0]), np.array([1]), np.array([1]), np.array([1]))
    else:
        shape = np.array([0, fitted_model.classes])
        rows = ops.reshape(scores, shape, special_zero=True)
        best = ops.topk(rows, 1, 1, "max", "none", index_element_type="i32").output(1)
    labels = ops.add(ops.convert(best, "f32"), np.float32(label_offset))
    result = ops.result(labels)
    result.output(0).set_names({LABELS})
    return ov.Model([result], model.get_parameters(), fitted_model.model.friendly_name)


def _with_model(path: Path, served: ServedModel) -> dict[str, Any]:
    """The content of the repository's config.json with one model more."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        models = [entry["config"]["name"] for entry in content[MODELS]]
    except (FileNotFoundError, NotADirectoryError):
        content, models = {MODELS: []}, []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path} is not a configuration of OpenVINO Model Server: {error}. Remove it, or give "
            "another --output."
        ) from error
    if served.name in models:
        raise OutputError(f'{path} names a model "{served.name}" already. Give another --name.')
    content[MODELS].append(
        {
            "config": {
                "name": served.name,
                # Relative to config.json, so that the folder can be mounted anywhere.
                "base_path": served.name,
                "target_device": "CPU",
                "plugin_config": _plugin_config(served),
            }
        }
    )
    return dict(content)


def _plugin_config(served: ServedModel) -> dict[str, str]:
    properties = {"NUM_STREAMS": str(served.instances)}
    if served.threads is not None:
        properties["INFERENCE_NUM_THREADS"] = str(served.threads * served.instances)
    if served.precision != "default":
        properties["INFERENCE_PRECISION_HINT"] = served.precision
    return properties
