"""The time of each operator that eager PyTorch executes, with the module that called it."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mlperf_benchmark.core.layer_profile import (
    CONVERSION,
    CONVOLUTION,
    DEPTHWISE,
    ELEMENTWISE,
    LINEAR,
    OTHER,
    POOLING,
    Layer,
    Profile,
)
from mlperf_benchmark.torch_model.executed import NAMES

WARM_UP = 2
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "convolution": CONVOLUTION,
        "addmm": LINEAR,
        "mm": LINEAR,
        "bmm": LINEAR,
        "max_pool2d_with_indices": POOLING,
        "avg_pool2d": POOLING,
        "mean": POOLING,
        "native_batch_norm": ELEMENTWISE,
        "_native_batch_norm_legit_no_training": ELEMENTWISE,
        "_to_copy": CONVERSION,
        "clone": CONVERSION,
    }
)
# Of a view nothing is computed.
VIEWS = frozenset(
    {"view", "permute", "t", "detach", "expand", "_unsafe_view", "unsqueeze", "alias"}
)
ELEMENTWISE_NAMES = ("add", "sub", "mul", "div", "relu", "clamp", "hardtanh", "sigmoid", "silu")


class _Timing(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Notes each operator with its seconds and the module in `stack` that called it."""

    def __init__(self, stack: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stack = stack
        self.layers: list[Layer] = []
        self.seconds: list[float] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func.overloadpacket.__name__)
        start = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        seconds = time.perf_counter() - start
        if name not in VIEWS:
            self.layers.append(_layer(name, self.stack[-1], args, result))
            self.seconds.append(seconds)
        return result


def profile(module: nn.Module, images: Tensor, inferences: int) -> Profile:
    """The times of the operators of `module`, over so many inferences."""
    runs = []
    layers: list[Layer] = []
    with torch.no_grad(), _module_names(module) as stack:
        for number in range(WARM_UP + inferences):
            with _Timing(stack) as timing:
                module(images)
            if number >= WARM_UP:
                runs.append(timing.seconds)
                layers = timing.layers
    return Profile(tuple(layers), np.array(runs))


@contextmanager
def _module_names(module: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that are at work, the innermost last."""
    stack = [""]
    with ExitStack() as hooks:
        for name, part in module.named_modules():
            # What is put around the model's own module is no part of its names.
            short = name.removeprefix("module").removeprefix(".")
            before = part.register_forward_pre_hook(_entering(stack, short))
            after = part.register_forward_hook(_leaving(stack))
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        yield stack


def _entering(stack: list[str], name: str) -> Any:
    return lambda *_: stack.append(name)


def _leaving(stack: list[str]) -> Any:
    def leave(*_: Any) -> None:
        stack.pop()

    return leave


def _layer(name: str, module: str, args: Any, result: Any) -> Layer:
    tensors = [one for one in args if isinstance(one, Tensor)]
    outputs = result if isinstance(result, tuple | list) else (result,)
    sink = next((one for one in outputs if isinstance(one, Tensor)), None)
    kind = _kind(name, args)
    weights, macs = _weights(name, args), 0
    if weights is not None and sink is not None:
        # Those of mm and addmm are (inputs, outputs).
        per_output = weights.shape[0] if kind == LINEAR else math.prod(weights.shape[1:])
        macs = sink.numel() * per_output
    sources = [one for one in tensors if one is not weights]
    return Layer(
        name=f"{module}.{name}" if module else name,
        kind=kind,
        origins=(_origin(name, module, kind),) if module or kind != CONVERSION else (),
        kernel=f"aten::{name}",
        precision=NAMES.get(sink.dtype, "unknown") if sink is not None else "unknown",
        macs=macs,
        input_bytes=sum(map(_bytes, sources)),
        weight_bytes=_bytes(weights),
        output_bytes=_bytes(sink),
        input_channels=_channels(sources[0]) if sources else 0,
        output_channels=_channels(sink),
    )


def _origin(name: str, module: str, kind: str) -> str:
    """A module by its name; what a module with parts computes itself with the operator's."""
    if kind in (CONVOLUTION, DEPTHWISE, LINEAR) or not name.rstrip("_").startswith(("add", "mul")):
        return module or name
    return f"{module}.{name.rstrip('_').capitalize()}" if module else name


def _kind(name: str, args: Any) -> str:
    if name == "convolution":
        return DEPTHWISE if args[8] > 1 and args[1].shape[1] == 1 else CONVOLUTION
    if name in KINDS:
        return KINDS[name]
    return ELEMENTWISE if name.startswith(ELEMENTWISE_NAMES) else OTHER


def _weights(name: str, args: Any) -> Tensor | None:
    place = {"convolution": 1, "addmm": 2, "mm": 1}.get(name)
    return None if place is None else args[place]


def _bytes(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.numel() * tensor.element_size()


def _channels(tensor: Tensor | None) -> int:
    return int(tensor.shape[1]) if tensor is not None and tensor.dim() > 1 else 0
