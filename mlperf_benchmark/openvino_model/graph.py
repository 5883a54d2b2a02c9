"""Fits a model to the images: input, output, layout, normalisation and batch."""

from collections.abc import Callable
from dataclasses import dataclass

import openvino as ov
from openvino import Layout, Model, Output, PartialShape, Type
from openvino.preprocess import ColorFormat, PrePostProcessor

from backend import BackendConfig
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.openvino_model.finite import refuse_non_finite

CHANNELS = 3
CLASS_COUNTS = (1000, 1001)


@dataclass(frozen=True)
class FittedModel:
    """A model that takes uint8 NHWC images and gives float32 scores.

    `batch` is the number of images that an inference takes; `dynamic` that it may be fewer;
    `is_fixed` that the model file allows no fewer.
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


def fit(model: Model, config: BackendConfig) -> FittedModel:
    """Put the normalisation into the graph and fix the shapes. ModelError when they do not fit."""
    refuse_non_finite(model)
    source = _chosen("input", model.inputs, config.inputs, _is_image)
    if len(model.inputs) > 1:
        # The runtime would infer with whatever is in the memory of the others.
        raise ModelError(
            f"The model has several inputs: {_listed(model.inputs)}. Only models whose one input "
            f"is the image can be measured; export it with the others as constants."
        )
    target = _chosen("output", model.outputs, config.outputs, _is_scores)
    names = (_name(source), _name(target))
    place = next(i for i, port in enumerate(model.outputs) if port.node is target.node)
    _check_rank(source.partial_shape, names[0])
    layout = config.data_format or _layout(source.partial_shape, names[0])
    batch, fixed = _batch(source.partial_shape, config, names[0])
    dynamic = config.variable_batch and batch > 1 and not fixed
    _reshape(model, source, layout, ov.Dimension(1, batch) if dynamic else batch, config.image)
    prepared = _with_preprocessing(model, source, place, layout, config.image)
    shape = prepared.output(place).partial_shape
    return FittedModel(
        model=prepared,
        input_name=names[0],
        output_name=names[1],
        output_index=place,
        data_format=layout,
        classes=_classes(shape, names[1], batch, dynamic),
        batch=batch,
        dynamic=dynamic,
        is_fixed=fixed and batch > 1,
    )


def _name(port: Output) -> str:
    return str(port.any_name if port.names else port.node.friendly_name)


def _listed(ports: list[Output]) -> str:
    return ", ".join(f"{_name(port)} {port.partial_shape}" for port in ports)


def _is_image(port: Output) -> bool:
    return port.partial_shape.rank.is_static and len(port.partial_shape) == 4


def _is_scores(port: Output) -> bool:
    shape = port.partial_shape
    if shape.rank.is_dynamic or len(shape) < 2 or shape[1].is_dynamic:
        return False
    classes: int = shape[1].get_length()
    return classes in CLASS_COUNTS


def _chosen(
    kind: str, ports: list[Output], wanted: tuple[str, ...], fits: Callable[[Output], bool]
) -> Output:
    known = {name: port for port in ports for name in (*port.names, port.node.friendly_name)}
    listed = _listed(ports)
    if wanted:
        # TensorFlow users write tensor names with their ":0".
        for name in (wanted[0], wanted[0].removesuffix(":0")):
            if name in known:
                return known[name]
        raise ModelError(f'The model has no {kind} "{wanted[0]}"; it has {listed}.')
    fitting = [port for port in ports if fits(port)]
    candidates = fitting or ports
    if len(candidates) != 1:
        raise ModelError(f"The model has several {kind}s: {listed}. Name one with --{kind}s.")
    return candidates[0]


def _check_rank(shape: PartialShape, name: str) -> None:
    if shape.rank.is_static and len(shape) != 4:
        raise ModelError(_no_images(shape, name))


def _no_images(shape: PartialShape, name: str) -> str:
    return f"Input {name} {shape} does not take RGB images of {CHANNELS} channels."


def _layout(shape: PartialShape, name: str) -> str:
    if shape.rank.is_dynamic:
        raise ModelError(
            f"Input {name} has a shape of unknown rank; say with --data-format whether it takes "
            "images as NCHW or NHWC."
        )
    first, last = shape[1], shape[3]
    is_first = first.is_static and first.get_length() == CHANNELS
    is_last = last.is_static and last.get_length() == CHANNELS
    if is_first != is_last:
        return "NCHW" if is_first else "NHWC"
    if is_first or first.is_dynamic or last.is_dynamic:
        raise ModelError(
            f"Input {name} {shape} can be read as NCHW and as NHWC; say which with --data-format."
        )
    raise ModelError(_no_images(shape, name))


def _batch(shape: PartialShape, config: BackendConfig, name: str) -> tuple[int, bool]:
    """Images an inference takes, and whether the model fixes that number."""
    if shape.rank.is_dynamic or shape[0].is_dynamic:
        return config.max_batch_size or 1, False
    batch: int = shape[0].get_length()
    if (config.max_batch_size or 1) > batch:
        raise ModelError(
            f"Input {name} {shape} takes batches of {batch} only: --max-batchsize can be at most "
            f"{batch}. Export the model with a dynamic batch for more."
        )
    return batch, True


def _reshape(model: Model, source: Output, layout: str, batch: object, image: ImageFormat) -> None:
    sizes = {"N": batch, "C": CHANNELS, "H": image.height, "W": image.width}
    wanted = PartialShape(
        [ov.Dimension(sizes[axis]) if axis != "N" else _dimension(batch) for axis in layout]
    )
    before = source.partial_shape
    if not before.compatible(wanted):
        raise ModelError(_other_size(_name(source), before, layout, image))
    if before != wanted:
        try:
            model.reshape({source: wanted})
        except RuntimeError as error:
            raise ModelError(
                f"The model cannot be reshaped from {before} to {wanted}; use --max-batchsize 1 or "
                f"export it with a dynamic batch. OpenVINO says: {_last_line(error)}"
            ) from error


def _other_size(name: str, shape: PartialShape, layout: str, image: ImageFormat) -> str:
    """The sizes that do not fit, and the way out."""
    made = f"{image.height}×{image.width}×{CHANNELS}"
    sizes = dict(zip(layout, shape, strict=True))
    if sizes["C"].compatible(ov.Dimension(CHANNELS)):
        return (
            f"Input {name} {shape} takes images of {sizes['H']}×{sizes['W']}×{CHANNELS}, and the "
            f"data set makes {made}: export the model for {image.height}×{image.width}, or with a "
            "dynamic height and width."
        )
    return f"Input {name} {shape} ({layout}) does not take the data set's images of {made}."


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


def _classes(shape: PartialShape, name: str, batch: int, dynamic: bool) -> int:
    if (
        shape.rank.is_static
        and shape[0].is_static
        and not dynamic
        and shape[0].get_length() != batch
    ):
        raise ModelError(f"Output {name} {shape} does not give one row for each of {batch} images.")
    others = [int(axis.get_length()) for axis in list(shape)[1:] if axis.is_static]
    classes = max(others, default=0)
    trailing = [size for size in others if size != 1]
    if len(others) != len(shape) - 1 or trailing != [classes] or classes not in CLASS_COUNTS:
        raise ModelError(
            f"Output {name} {shape} is not one score for each of 1000 (or 1001) classes; "
            f"another output can be named with --outputs."
        )
    return classes


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
