"""Fits a model to the images: input, output, layout, normalisation and batch."""

from dataclasses import dataclass, replace

import openvino as ov
from openvino import Layout, Model, Output, PartialShape, Type
from openvino.preprocess import ColorFormat, PrePostProcessor

from backend import BackendConfig
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.models.files.ports import (
    CHANNELS,
    Port,
    check_image_size,
    choose_input,
    choose_output,
    class_count,
    image_batch,
    image_layout,
)
from mlperf_benchmark.openvino_model.finite import refuse_non_finite


@dataclass(frozen=True)
class FittedModel:
    """A model that takes uint8 NHWC images and gives float32 scores.

    `batch` is the number of images that an inference takes; `dynamic` that it may be fewer;
    `is_fixed` that the model file allows no fewer. `operators` are the names in the file.
    `takes_argmax`: in place of scores it gives the index of the best class.
    """

    model: Model
    input_name: str
    output_name: str
    output_index: int
    data_format: str
    classes: int
    batch: int
    dynamic: bool
    is_fixed: bool
    operators: frozenset[str]
    takes_argmax: bool


def fit(model: Model, config: BackendConfig) -> FittedModel:
    """Put the normalisation into the graph and fix the shapes. ModelError when they do not fit."""
    refuse_non_finite(model)
    port = choose_input(list(map(_port, model.inputs)), config.inputs)
    source = model.inputs[0]
    outputs = list(map(_port, model.outputs))
    place = outputs.index(choose_output(outputs, config.outputs))
    layout = image_layout(port, config.data_format)
    batch, fixed = image_batch(port, config.max_batch_size)
    dynamic = config.variable_batch and batch > 1 and not fixed
    check_image_size(port, layout, config.image)
    _reshape(model, source, layout, ov.Dimension(1, batch) if dynamic else batch, config.image)
    operators = frozenset(str(node.friendly_name) for node in model.get_ops())
    prepared = _with_preprocessing(model, source, place, layout, config.image)
    shape = _sizes(prepared.output(place).partial_shape)
    output = replace(outputs[place], shape=shape)
    return FittedModel(
        model=prepared,
        input_name=port.names[0],
        output_name=output.names[0],
        output_index=place,
        data_format=layout,
        classes=class_count(output, batch, dynamic, config.any_classes),
        batch=batch,
        dynamic=dynamic,
        is_fixed=fixed and batch > 1,
        operators=operators,
        takes_argmax=output.takes_argmax,
    )


def _port(port: Output) -> Port:
    own = str(port.any_name if port.names else port.node.friendly_name)
    names = dict.fromkeys((own, *sorted(port.names), str(port.node.friendly_name)))
    return Port(tuple(names), _sizes(port.partial_shape), port.element_type.is_integral())


def _sizes(shape: PartialShape) -> tuple[int | None, ...] | None:
    if shape.rank.is_dynamic:
        return None
    return tuple(int(axis.get_length()) if axis.is_static else None for axis in shape)


def _reshape(model: Model, source: Output, layout: str, batch: object, image: ImageFormat) -> None:
    sizes = {"N": batch, "C": CHANNELS, "H": image.height, "W": image.width}
    wanted = PartialShape(
        [ov.Dimension(sizes[axis]) if axis != "N" else _dimension(batch) for axis in layout]
    )
    before = source.partial_shape
    if not before.compatible(wanted):
        # A size with bounds, which a `Port` shows as an open one.
        raise ModelError(f"Input {_port(source).names[0]} {before} does not take images {wanted}.")
    if before != wanted:
        try:
            model.reshape({source: wanted})
        except RuntimeError as error:
            raise ModelError(
                f"The model cannot be reshaped from {before} to {wanted}; use --max-batchsize 1 or "
                f"export it with a dynamic batch. OpenVINO says: {_last_line(error)}"
            ) from error


def _dimension(batch: object) -> ov.Dimension:
    return batch if isinstance(batch, ov.Dimension) else ov.Dimension(batch)


def _with_preprocessing(
    model: Model, source: Output, place: int, layout: str, image: ImageFormat
) -> Model:
    normalises_itself = source.element_type == Type.u8
    processor = PrePostProcessor(model)
    tensor = processor.input(source.any_name) if source.names else processor.input()
    tensor.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(
        ColorFormat.RGB
    )
    tensor.model().set_layout(Layout(layout))
    if not normalises_itself:
        steps = tensor.preprocess().convert_element_type(Type.f32)
        steps.mean(list(image.mean)).scale(list(image.std))
    processor.output(place).tensor().set_element_type(Type.f32)
    return processor.build()


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
