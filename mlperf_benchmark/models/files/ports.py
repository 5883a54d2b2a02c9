"""The inputs and outputs of an image classifier, independent of file format and runtime."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat

CHANNELS = 3
RANK = 4
CLASS_COUNTS = (1000, 1001)
CLASSES = 1000
"""The number of classes assumed for models that return class indices and do not tell it."""


@dataclass(frozen=True)
class Port:
    """An input or output. It can be selected by any of `names`; the first is displayed.

    `shape` has None for dimensions that the model leaves open, and is None if it leaves all open.
    `is_integer` says that its elements are integers.
    """

    names: tuple[str, ...]
    shape: tuple[int | None, ...] | None
    is_integer: bool = False

    @property
    def takes_argmax(self) -> bool:
        """Whether the output holds the index of the best class, or of the best few, for
        each image.
        """
        return self.is_integer and not _is_scores(self)

    def __str__(self) -> str:
        return f"{self.names[0]} {shown(self.shape)}"


def shown(shape: Sequence[int | None] | None) -> str:
    """Format a shape as [?,3,224,224], or [...] if nothing is known."""
    if shape is None:
        return "[...]"
    return f"[{','.join('?' if size is None else str(size) for size in shape)}]"


def choose_input(ports: Sequence[Port], wanted: tuple[str, ...]) -> Port:
    """Return the only input, which must take the image. Raises ModelError."""
    chosen = choose_image(ports, wanted)
    if len(ports) > 1:
        # With other inputs, the runtime would use whatever happens to be in their memory.
        raise ModelError(
            f"The model has several inputs: {_listed(ports)}. Only models whose one input "
            f"is the image can be measured; export it with the others as constants."
        )
    return chosen


def choose_image(ports: Sequence[Port], wanted: tuple[str, ...]) -> Port:
    """Return the input that takes the image, which may be one of several. Raises ModelError."""
    return _chosen("input", ports, wanted, _is_image)


def choose_output(ports: Sequence[Port], wanted: tuple[str, ...]) -> Port:
    """Return the output with the scores or with the best class. Raises ModelError."""
    return _chosen("output", ports, wanted, _is_scores)


def image_layout(port: Port, wanted: str | None = None) -> str:
    """Return `wanted`, or NCHW or NHWC by which axis has three channels. Raises ModelError."""
    if port.shape is not None and len(port.shape) != RANK:
        raise ModelError(_no_images(port))
    if wanted is not None:
        return wanted
    if port.shape is None:
        raise ModelError(
            f"Input {port.names[0]} has a shape of unknown rank; say with --data-format whether it "
            "takes images as NCHW or NHWC."
        )
    first, last = port.shape[1], port.shape[3]
    if (first == CHANNELS) != (last == CHANNELS):
        return "NCHW" if first == CHANNELS else "NHWC"
    if first == CHANNELS or first is None or last is None:
        raise ModelError(
            f"Input {port} can be read as NCHW and as NHWC; say which with --data-format."
        )
    raise ModelError(_no_images(port))


def image_batch(port: Port, max_batch_size: int | None) -> tuple[int, bool]:
    """Return the batch size, and whether the model allows no other. Raises ModelError.

    `max_batch_size` None takes the model's own batch, or 1.
    """
    batch = port.shape[0] if port.shape is not None else None
    if batch is None:
        return max_batch_size or 1, False
    if (max_batch_size or 1) > batch:
        raise ModelError(
            f"Input {port} takes batches of {batch} only: --max-batchsize can be at most "
            f"{batch}. Export the model with a dynamic batch for more."
        )
    return batch, True


def check_image_size(port: Port, layout: str, image: ImageFormat) -> None:
    """Raise ModelError if the input, of rank 4, cannot take images of this size."""
    if port.shape is None:
        return
    own = dict(zip(layout, port.shape, strict=True))
    wanted = {"C": CHANNELS, "H": image.height, "W": image.width}
    if all(own[axis] in (None, size) for axis, size in wanted.items()):
        return
    made = f"{image.height}×{image.width}×{CHANNELS}"
    if own["C"] in (None, CHANNELS):
        raise ModelError(
            f"Input {port} takes images of {own['H'] or '?'}×{own['W'] or '?'}×{CHANNELS}, and the "
            f"data set makes {made}: export the model for {image.height}×{image.width}, or with a "
            "dynamic height and width."
        )
    raise ModelError(f"Input {port} ({layout}) does not take the data set's images of {made}.")


def class_count(port: Port, batch: int, dynamic: bool, any_count: bool = False) -> int:
    """Return the number of classes of an output with a row of scores per image. Raises ModelError.

    `batch` is the number of images; `dynamic` says that it may be smaller. With `any_count`, the
    number of classes may differ from ImageNet's.
    """
    shape = port.shape
    if shape == () or (shape and shape[0] is not None and not dynamic and shape[0] != batch):
        raise ModelError(f"Output {port} does not give one row for each of {batch} images.")
    others = list(shape[1:]) if shape else []
    if port.takes_argmax:
        if len([size for size in others if size != 1]) > 1:
            raise ModelError(
                f"Output {port} is neither scores nor one class for each image; another output can "
                "be named with --outputs."
            )
        return CLASSES
    classes = max((size for size in others if size is not None), default=0)
    is_row = [size for size in others if size != 1] == [classes]
    if is_row and (any_count or classes in CLASS_COUNTS):
        return classes
    wanted = "class" if any_count else "of 1000 (or 1001) classes"
    hint = "" if any_count or not is_row else "; --profile custom takes any number of classes"
    raise ModelError(
        f"Output {port} is not one score for each {wanted}; "
        f"another output can be named with --outputs{hint}."
    )


def _no_images(port: Port) -> str:
    return (
        f"Input {port} does not take RGB images of {CHANNELS} channels: put the conversion from "
        "them into the model, before its first layer."
    )


def _is_image(port: Port) -> bool:
    return port.shape is not None and len(port.shape) == RANK


def _is_scores(port: Port) -> bool:
    return port.shape is not None and len(port.shape) > 1 and port.shape[1] in CLASS_COUNTS


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(map(str, ports))


def _chosen(
    kind: str, ports: Sequence[Port], wanted: tuple[str, ...], fits: Callable[[Port], bool]
) -> Port:
    if wanted:
        # TensorFlow users append ":0" to names of tensors.
        for name in (wanted[0], wanted[0].removesuffix(":0")):
            for port in ports:
                if name in port.names:
                    return port
        raise ModelError(f'The model has no {kind} "{wanted[0]}"; it has {_listed(ports)}.')
    candidates = [port for port in ports if fits(port)] or ports
    if len(candidates) != 1:
        raise ModelError(
            f"The model has several {kind}s: {_listed(ports)}. Name one with --{kind}s."
        )
    return candidates[0]
