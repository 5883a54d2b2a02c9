"""Finds where two variants of a model can be compared, and builds graphs that combine both.

Both come from one network: an FP32 model and the INT8 or pruned model made from it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.layers import LAYERS, layer_name

JOINS = frozenset({"Add", "Concat", "Divide", "Maximum", "Minimum", "Multiply", "Subtract"})
"""Operators that make one tensor from several activations, as at the end of a residual block."""

SUMS = 5
"""The number of sums for each point and image: the squares of the baseline, the squares of the
variant, their products, the squares of their difference, and the squares of the difference that the
variant's layer makes on its own.
"""


@dataclass(frozen=True, eq=False)
class Point:
    """A named tensor: the output of a layer, bias included, or of a join.

    Layers have the names that `--keep-fp32` takes.
    """

    name: str
    kind: str
    output: ov.Output

    @property
    def is_layer(self) -> bool:
        return self.kind in LAYERS


@dataclass(frozen=True)
class Matching:
    """Maps the baseline's point names, in execution order, to the variant's points.

    `skipped` names the baseline's points that the variant lacks or has in another shape.
    """

    points: Mapping[str, Point]
    skipped: tuple[str, ...]


def find_points(model: ov.Model) -> dict[str, Point]:
    """Return the points of `model` by name, in execution order."""
    varying = _varying(model)
    found: dict[str, Point] = {}
    biases: set[str] = set()
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        inputs = [value for value in node.input_values() if _key(value) in varying]
        if kind in LAYERS and inputs:
            output = _with_bias(node.output(0), varying)
            biases.add(_key(output))
            found.setdefault(layer_name(node), Point(layer_name(node), kind, output))
        elif kind in JOINS and len(inputs) > 1 and node.get_name() not in biases:
            name = str(node.friendly_name)
            found.setdefault(name, Point(name, kind, node.output(0)))
    return found


def match(baseline: ov.Model, variant: ov.Model) -> Matching:
    """Match points by name or, if no layers share a name, by order if all shapes are alike.

    Raises ModelError if nothing can be compared.
    """
    ours, theirs = find_points(baseline), find_points(variant)
    pairs = {name: theirs[name] for name in ours if name in theirs}
    if not any(point.is_layer for point in pairs.values()):
        pairs = _by_order(ours, theirs)
    if not pairs:
        raise ModelError(
            "The two models have no layers of the same name, nor the same layers in the same order:"
            " layers can be compared between variants of one network only."
        )
    alike = {
        name: point
        for name, point in pairs.items()
        if point.output.partial_shape == ours[name].output.partial_shape
    }
    if not alike:
        raise ModelError("No layer has outputs of the same shape in both models.")
    return Matching(alike, tuple(name for name in ours if name not in alike))


def _by_order(ours: Mapping[str, Point], theirs: Mapping[str, Point]) -> dict[str, Point]:
    def shape(points: Mapping[str, Point]) -> list[tuple[str, str]]:
        return [(one.kind, str(one.output.partial_shape)) for one in points.values()]

    return dict(zip(ours, theirs.values(), strict=True)) if shape(ours) == shape(theirs) else {}


def error_model(baseline: ov.Model, variant: ov.Model) -> ov.Model:
    """Return one model that runs both variants on the same input.

    Its outputs are the SUMS, of shape (points, SUMS, images) in the order of `match`, the
    baseline's scores and the variant's. It contains the variant twice: unchanged, and with each
    layer fed with the baseline's values.
    """
    base, whole, alone = baseline.clone(), variant.clone(), variant.clone()
    names = list(match(base, whole).points)
    image = base.inputs[0]
    ours = find_points(base)
    theirs, own = match(base, whole).points, match(base, alone).points
    for prefix, model in (("whole", whole), ("alone", alone)):
        _rename(model, prefix)
        _feed(model.inputs[0], image)
    for name in names:
        _feed(own[name].output, ours[name].output)
    sums = [
        row for name in names for row in _sums(*(of[name].output for of in (ours, theirs, own)))
    ]
    table = ops.reshape(ops.concat(sums, 0), np.array([len(names), SUMS, -1]), False)
    outputs = [table.output(0), _scores(base), _scores(whole)]
    return ov.Model([ops.result(output) for output in outputs], base.get_parameters())


def restored_model(baseline: ov.Model, variant: ov.Model, names: Collection[str]) -> ov.Model:
    """Return the variant with the points `names` computed by the baseline's layers.

    These layers read the variant's values. Everything between a point and the preceding points is
    replaced: the layer's weights and bias, and the quantizers of its input.
    """
    base, whole = baseline.clone(), variant.clone()
    theirs = match(base, whole).points
    ours = find_points(base)
    _rename(base, "restored")
    _feed(base.inputs[0], whole.inputs[0])
    for name, point in theirs.items():
        if name in names:
            _feed(point.output, ours[name].output)
        else:
            _feed(ours[name].output, point.output)
    return ov.Model(whole.get_results(), whole.get_parameters())


def sources(matching: Matching) -> dict[str, tuple[str, ...]]:
    """Return the points that each point reads; none for points that read only the image."""
    names = {_key(point.output): name for name, point in matching.points.items()}
    return {
        name: tuple(dict.fromkeys(_upstream(point.output.get_node(), names)))
        for name, point in matching.points.items()
    }


def _upstream(node: ov.Node, names: Mapping[str, str]) -> Iterator[str]:
    seen: set[str] = set()
    waiting = list(node.input_values())
    while waiting:
        value = waiting.pop()
        key = _key(value)
        if key in names:
            yield names[key]
        elif key not in seen:
            seen.add(key)
            waiting += value.get_node().input_values()


def _varying(model: ov.Model) -> set[str]:
    """Return the keys of all values that depend on the image; its shape alone does not count."""
    found: set[str] = set()
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        depends = any(_key(value) in found for value in node.input_values())
        if kind == "Parameter" or (depends and kind != "ShapeOf"):
            found.add(node.get_name())
    return found


def _with_bias(output: ov.Output, varying: Collection[str]) -> ov.Output:
    """Return the value after the bias is added, unless something else reads the layer's output."""
    users = [target.get_node() for target in output.get_target_inputs()]
    if len(users) == 1 and users[0].get_type_name() == "Add":
        others = {_key(value) for value in users[0].input_values()} - {_key(output)}
        if others and others.isdisjoint(varying):
            return users[0].output(0)
    return output


def _sums(base: ov.Output, whole: ov.Output, alone: ov.Output) -> list[ov.Node]:
    """Return the SUMS as nodes of shape (1, images) each."""
    axes = np.arange(1, base.partial_shape.rank.get_length())
    # Squares of float16 values may exceed the range of float16.
    exact, changed, own = (ops.convert(one, "f32") for one in (base, whole, alone))
    noise, own_noise = ops.subtract(changed, exact), ops.subtract(own, exact)
    products = (
        (exact, exact),
        (changed, changed),
        (exact, changed),
        (noise, noise),
        (own_noise, own_noise),
    )
    return [
        ops.unsqueeze(ops.reduce_sum(ops.multiply(*pair), axes, keep_dims=False), np.array([0]))
        for pair in products
    ]


def _scores(model: ov.Model) -> ov.Output:
    return model.get_results()[0].input_value(0)


def _feed(old: ov.Output, new: ov.Output) -> None:
    """Let everything that reads `old` read `new` instead."""
    for target in old.get_target_inputs():
        target.replace_source_output(new)


def _rename(model: ov.Model, prefix: str) -> None:
    """Make the names of nodes and tensors unique by a prefix, as models require."""
    for node in model.get_ordered_ops():
        node.set_friendly_name(f"{prefix}:{node.friendly_name}")
        for output in node.outputs():
            output.set_names(set())


def _key(value: ov.Output) -> str:
    """Return a unique and stable key, unlike the friendly name; Python cannot compare nodes."""
    return str(value.get_node().get_name())
