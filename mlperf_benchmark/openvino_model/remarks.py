"""What a model file tells or hides that decides what its figures mean."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import Model, Node, Type

from backend import Remark
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.openvino_model.finite import saturated_weights

# Where converters and Model API write how a model's images are to be normalised.
SECTIONS = ("model_info", "conversion_parameters", "runtime_options")
VALUES = ("mean_values", "scale_values")
VERBS: Mapping[str, str] = MappingProxyType(
    {
        "Add": "adds",
        "Subtract": "subtracts",
        "Multiply": "multiplies by",
        "Divide": "divides by",
    }
)
LAYOUT = frozenset({"Convert", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Gather"})
# One value for all channels, or one for each.
MOST_VALUES = 4
TOLERANCE = 0.01
LEVELS_OF_8_BITS = 256
SHOWN = 80


def model_remarks(model: Model, image: ImageFormat) -> tuple[Remark, ...]:
    """On the normalisation in the file of `model`, and on what may be computed wrongly in it."""
    return (*_normalisation(model, image), *_quantizers(model), *_saturated(model))


def _normalisation(model: Model, image: ImageFormat) -> list[Remark]:
    told = {name: text for name in VALUES if (text := _told(model, name))}
    steps = [step for port in model.inputs for step in _first_steps(port.node)]
    parts = [*steps, *(f"{name} {text}" for name, text in told.items())]
    if not parts:
        return []
    listed = "; ".join(parts)
    if any(port.get_element_type() == Type.u8 for port in model.inputs):
        if steps:
            return [Remark(f"The model normalises its images itself ({listed}): it gets pixels.")]
        return [
            Remark(
                f"The model takes pixels, and its file names {listed}, which its graph does not "
                "begin with: if nothing in it normalises the images, accuracy suffers. Export it "
                "with the normalisation in the graph, or with a float input.",
                is_doubtful=True,
            )
        ]
    if steps:
        return [
            Remark(
                f"The model's graph begins with a normalisation of its own ({listed}), and the "
                "data set normalises the images before: if the model expects plain pixels, its "
                "accuracy suffers. Export it without that, or with an input of bytes (u8), which "
                "the graph gets as they are.",
                is_doubtful=True,
            )
        ]
    wanted = {"mean_values": image.mean, "scale_values": image.std}
    if all(_agrees(text, wanted[name]) for name, text in told.items()):
        return [Remark(f"The model's file names {listed}: the data set's normalisation.")]
    return [
        Remark(
            f"The model's file names {listed}, and the data set's normalisation is another (mean "
            f"{_listed(image.mean)}, scale {_listed(image.std)}): if the file is right, accuracy "
            "suffers. Choose the --dataset that the model was trained with.",
            is_doubtful=True,
        )
    ]


def _told(model: Model, name: str) -> str | None:
    """What the file says of `name`; converters write a default in words."""
    for section in SECTIONS:
        if model.has_rt_info([section, name]):
            text = str(model.get_rt_info([section, name]).value)
            if re.search(r"\d", text):
                return "".join(filter(str.isprintable, " ".join(text.split())))[:SHOWN]
    return None


def _agrees(text: str, wanted: tuple[float, ...]) -> bool:
    """Whether they are the data set's, of pixels from 0 to 255 or from 0 to 1."""
    # "input[123.7,116.3,103.5]" names the input first.
    listed = re.search(r"\[(.*)\]", text)
    numbers = re.findall(r"\d+\.?\d*", listed[1] if listed else text)
    told = np.array([float(number) for number in numbers])
    if len(told) not in (1, len(wanted)):
        return False
    return any(np.allclose(scale * told, wanted, rtol=TOLERANCE) for scale in (1, 255))


def _first_steps(node: Node) -> list[str]:
    """What is done to the images value by value before the first layer."""
    steps = []
    while (user := _only_user(node)) is not None:
        kind = user.get_type_name()
        if kind in VERBS:
            values = [_constant(value.get_node()) for value in user.input_values()]
            small = [value for value in values if value is not None and value.size <= MOST_VALUES]
            if len(small) != 1:
                break
            steps.append(f"{VERBS[kind]} {_listed(small[0].flatten().tolist())}")
        elif kind not in LAYOUT:
            break
        node = user
    return steps


def _only_user(node: Node) -> Node | None:
    users = [target.get_node() for port in node.outputs() for target in port.get_target_inputs()]
    computing = [user for user in users if user.get_type_name() != "ShapeOf"]
    return computing[0] if len(computing) == 1 else None


def _constant(node: Node) -> NDArray[np.float64] | None:
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    values: NDArray[np.float64] = node.get_data(dtype=np.float64)
    return values


def _listed(values: tuple[float, ...] | list[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in dict.fromkeys(values))


def _quantizers(model: Model) -> list[Remark]:
    wide = [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() == "FakeQuantize"
        and int(node.get_attributes()["levels"]) > LEVELS_OF_8_BITS
    ]
    if not wide:
        return []
    return [
        Remark(
            f"{len(wide)} quantizers of the model have more than 8 bits, which OpenVINO "
            f"{ov.get_version().partition('-')[0]} computes wrongly in some models: compare its "
            "answers with those of the runtime it was made for, or quantize it to 8 bits.",
            is_doubtful=True,
        )
    ]


def _saturated(model: Model) -> list[Remark]:
    names = saturated_weights(model)
    if not names:
        return []
    return [
        Remark(
            f"Weights of the model ({names[0]}{', …' if len(names) > 1 else ''}) lie at the limit "
            "of FP16, 65504: NaN and values too large for FP16 are stored so, and accuracy "
            "suffers. Look at the model that this file was made from, or save it in FP32.",
            is_doubtful=True,
        )
    ]
