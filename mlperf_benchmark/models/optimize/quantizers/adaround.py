"""Learns how to round the weights, then quantizes the rest with NNCF."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.optimize.images import Images
from mlperf_benchmark.models.optimize.layers import find_layers, weighted_layers
from mlperf_benchmark.models.optimize.quantizers.nncf_quantizer import Nncf
from mlperf_benchmark.models.optimize.quantizers.quantizer import Source
from mlperf_benchmark.models.optimize.quantizers.rounding import learn_rounding

ROWS, ROWS_IN_GROUPS = 4096, 512
"""The number of positions, over all images, that a layer's rounding is learned on. Grouped
convolutions get fewer, because every group has its own inputs: these suffice and take as much
memory.
"""


class AdaRound(Nncf):
    """Rounds weights up or down so that each layer's outputs change least.

    The weights are placed on the grid that NNCF will find, so that NNCF does not change them; it
    quantizes the activations and corrects the biases.
    """

    method = "AdaRound of the weights, NNCF post-training quantization of the rest"
    summary = (
        "each weight rounded up or down as learned from the layer's outputs (AdaRound,"
        " https://arxiv.org/abs/2004.10568), activations and biases as nncf does; not for"
        " ONNX files"
    )
    overflow_fixes = ("all", "none")
    needs_module = True

    def quantize(self, source: Source, images: Images) -> Any:
        self._round(source, images)
        return super().quantize(source, images)

    def _round(self, source: Source, images: Images) -> None:
        module = source.module
        assert module is not None
        graph = source.export(module)
        kept = set(find_layers(graph, self.config.keep_fp32))
        layers = list(_positions_by_layer(module, images[0]))
        # Both lists are in execution order.
        found = weighted_layers(graph)
        if len(found) != len(layers):
            raise ModelError(
                f"AdaRound cannot tell the layers of this model: the module calls {len(layers)}"
                f" convolutions and linear layers, and its graph has {len(found)}. Take another"
                " --quantizer."
            )
        names = dict(zip(layers, found, strict=True))
        rounded = [layer for layer in layers if names[layer] not in kept]
        inputs = _inputs(module, rounded, images)
        for number, layer in enumerate(rounded):
            weight = layer.get_parameter("weight")
            learned = learn_rounding(
                weight.detach().flatten(1), inputs[layer], self._steps(layer), seed=number
            )
            with torch.no_grad():
                weight.copy_(learned.reshape(weight.shape))

    def _steps(self, layer: nn.Module) -> float:
        """Return NNCF's divisor of a channel's largest weight: 63.5 for 7 bits, otherwise 127."""
        is_depthwise = isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1
        return 127 if is_depthwise or self.config.overflow_fix == "none" else 63.5


def _positions_by_layer(module: nn.Module, image: np.ndarray) -> dict[nn.Module, int]:
    """Return the number of output positions of each layer, in execution order."""
    found: dict[nn.Module, int] = {}

    def count(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        found[layer] = _positions(layer, output)

    _run(module, _layers(module), count, iter([image]))
    return found


def _inputs(module: nn.Module, layers: list[nn.Module], images: Images) -> dict[nn.Module, Tensor]:
    """Return what each layer reads at some positions of each image.

    The shape is (groups, rows, inputs of a group). The image's number is the seed of the positions.
    """
    found: dict[nn.Module, list[Tensor]] = {layer: [] for layer in layers}

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        generator = torch.Generator().manual_seed(len(found[layer]))
        all_rows = ROWS if getattr(layer, "groups", 1) == 1 else ROWS_IN_GROUPS
        wanted = max(1, all_rows // len(images))
        drawn = torch.randperm(_positions(layer, output), generator=generator)[:wanted]
        found[layer].append(_rows(layer, inputs[0], drawn))

    _run(module, layers, keep, iter(images))
    return {layer: torch.cat(rows, dim=1) for layer, rows in found.items()}


def _positions(layer: nn.Module, output: Tensor) -> int:
    return output[0, 0].numel() if isinstance(layer, nn.Conv2d) else output[..., 0].numel()


def _rows(layer: nn.Module, inputs: Tensor, positions: Tensor) -> Tensor:
    """Return the inputs of some outputs of one image, (groups, positions, inputs of a group)."""
    if not isinstance(layer, nn.Conv2d):
        return inputs.reshape(1, -1, inputs.shape[-1])[:, positions].clone()
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = functional.pad(inputs, layer._reversed_padding_repeated_twice, mode)
    # A view: windows that were not drawn are never copied.
    windows = padded[0]
    for place, (size, dilation) in enumerate(zip(layer.kernel_size, layer.dilation, strict=True)):
        windows = windows.unfold(1 + place, (size - 1) * dilation + 1, layer.stride[place])
    windows = windows[..., :: layer.dilation[0], :: layer.dilation[1]]
    width = windows.shape[2]
    drawn = windows[:, positions // width, positions % width].flatten(2)
    by_group = drawn.reshape(layer.groups, -1, len(positions), drawn.shape[-1])
    return by_group.transpose(1, 2).reshape(layer.groups, len(positions), -1)


def _layers(module: nn.Module) -> list[nn.Module]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def _run(
    module: nn.Module, layers: list[nn.Module], hook: Any, images: Iterator[np.ndarray]
) -> None:
    handles = [layer.register_forward_hook(hook) for layer in layers]
    try:
        with torch.no_grad():
            for image in images:
                module(torch.from_numpy(np.asarray(image))[None])
    finally:
        for handle in handles:
            handle.remove()
