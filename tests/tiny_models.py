"""Tiny classifiers whose answer can be computed by hand, in any shape a real model comes in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

SIZE = 224
# Blue of a white pixel after the mean of the data set "imagenet" is 151.06: only 255 is above this.
WHITE = 150.5


@dataclass(frozen=True)
class Tiny:
    """The mean colour of an image times random weights, and its answers.

    `batch` -1 is dynamic. `tail` is added to the shape of the scores.
    """

    batch: int = 1
    classes: int = 1000
    layout: str = "NCHW"
    channels: int = 3
    size: int = SIZE
    element_type: ov.Type = ov.Type.f32
    tail: tuple[int, ...] = ()
    extra_outputs: tuple[int, ...] = ()
    extra_input: bool = False
    known_rank: bool = True
    fails_on_white: bool = False
    nan_on_white: bool = False
    stored_as: ov.Type = ov.Type.f32
    seed: int = 0

    @property
    def weights(self) -> NDArray[np.float32]:
        generator = np.random.default_rng(self.seed)
        return generator.normal(size=(self.channels, self.classes)).astype(np.float32)

    def answers(
        self, images: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]
    ) -> NDArray[np.int64]:
        """The best class of each image (batch, height, width, 3)."""
        colours = (images.reshape(len(images), -1, 3).mean(axis=1) - mean) / std
        best: NDArray[np.int64] = (colours @ self.weights).argmax(axis=1)
        return best

    def build(self) -> ov.Model:
        sizes = {"N": self.batch, "C": self.channels, "H": self.size, "W": self.size}
        shape = ov.PartialShape([sizes[axis] for axis in self.layout])
        if not self.known_rank:
            shape = ov.PartialShape.dynamic()
        image = ops.parameter(shape, self.element_type, name="image")
        image.output(0).set_names({"image"})
        pixels = ops.convert(image, "f32")
        axes = [self.layout.index("H"), self.layout.index("W")]
        scores = ops.matmul(
            ops.reduce_mean(pixels, np.array(axes), keep_dims=False),
            ops.convert(ops.constant(self.weights, self.stored_as), "f32"),
            False,
            False,
        )
        inputs = [image]
        if self.extra_input:
            other = ops.parameter(ov.PartialShape([1]), ov.Type.f32, name="threshold")
            other.output(0).set_names({"threshold"})
            scores = ops.add(scores, other)
            inputs.append(other)
        is_white = ops.greater(
            ops.reduce_max(pixels, np.array([0, 1, 2, 3]), keep_dims=False), np.float32(WHITE)
        )
        if self.nan_on_white:
            zero = ops.subtract(np.float32(1), ops.convert(is_white, "f32"))
            scores = ops.multiply(scores, ops.divide(zero, zero))
        if self.fails_on_white:
            scores = self._unshapely(scores, is_white)
        if self.tail:
            scores = ops.reshape(scores, np.array([0, self.classes, *self.tail]), True)
        outputs = [_named(scores, "scores")]
        for number, count in enumerate(self.extra_outputs):
            part = ops.matmul(
                scores, ops.constant(np.ones((self.classes, count), np.float32)), False, False
            )
            outputs.append(_named(part, f"extra{number}"))
        return ov.Model([ops.result(output) for output in outputs], inputs)

    def _unshapely(self, scores: ov.Node, is_white: ov.Node) -> ov.Node:
        """A reshape to rows of 1007 for a white image, which no runtime can do."""
        row = ops.add(
            np.array([self.classes]), ops.multiply(ops.convert(is_white, "i64"), np.array([7]))
        )
        reshaped = ops.reshape(scores, ops.concat([np.array([-1]), row], 0), False)
        return ops.reshape(reshaped, np.array([-1, self.classes]), False)

    def save(self, folder: Path, name: str = "tiny") -> Path:
        """Write `name`.xml and .bin; returns the .xml."""
        path = folder / f"{name}.xml"
        ov.save_model(self.build(), path, compress_to_fp16=False)
        return path


def _named(node: ov.Node, name: str) -> ov.Node:
    node.output(0).set_names({name})
    return node
