"""The properties of a layer that its time depends on."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mlperf_benchmark.models.optimize.pruning.parts import is_depthwise


@dataclass(frozen=True)
class LayerShape:
    """A convolution on an input of (inputs, height, width), or a linear layer, which has no kernel.

    A depthwise convolution has as many outputs as inputs. `padding` is the padding above and to the
    left.
    """

    inputs: int
    outputs: int
    height: int = 1
    width: int = 1
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    depthwise: bool = False

    def __str__(self) -> str:
        """Return a readable key: "depthwise 96x112x112 -> 96, kernel 3x3, stride 2x2, …"."""
        if self.kernel is None:
            return f"linear {self.inputs} -> {self.outputs}"
        kind = "depthwise" if self.depthwise else "convolution"
        return (
            f"{kind} {self.inputs}x{self.height}x{self.width} -> {self.outputs},"
            f" kernel {_pair(self.kernel)}, stride {_pair(self.stride)},"
            f" padding {_pair(self.padding)}, dilation {_pair(self.dilation)}"
        )

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        if self.kernel is None:
            return 1, 1
        sizes = zip(
            (self.height, self.width),
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            strict=True,
        )
        high, wide = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in sizes
        )
        return high, wide

    def with_channels(self, inputs: int, outputs: int) -> "LayerShape":
        return replace(self, inputs=inputs, outputs=outputs)


def layer_shapes(module: nn.Module, input_size: int) -> dict[nn.Module, LayerShape]:
    """Return the shape of each convolution and linear layer, found by running a square image."""
    found: dict[nn.Module, LayerShape] = {}

    def watch(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found[layer] = _shape(layer, inputs[0], output)

    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(watch) for layer in layers]
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, 3, input_size, input_size))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _shape(layer: nn.Module, given: Tensor, output: Tensor) -> LayerShape:
    if not isinstance(layer, nn.Conv2d):
        return LayerShape(given.shape[-1], output.shape[-1])
    pairs: dict[str, Any] = {
        "kernel": layer.kernel_size,
        "stride": layer.stride,
        "dilation": layer.dilation,
    }
    if isinstance(layer.padding, str):
        whole = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        pairs["padding"] = (0, 0) if layer.padding == "valid" else tuple(n // 2 for n in whole)
    else:
        pairs["padding"] = layer.padding
    height, width = given.shape[-2:]
    return LayerShape(
        given.shape[1], output.shape[1], height, width, **pairs, depthwise=is_depthwise(layer)
    )


def _pair(numbers: tuple[int, int]) -> str:
    return "x".join(map(str, numbers))
