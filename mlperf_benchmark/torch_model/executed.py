"""What the layers of a module compute in, seen while they do."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mlperf_benchmark.core.precisions import summarized

LAYERS = frozenset({"convolution", "addmm", "mm", "bmm", "baddbmm"})
NAMES = {
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.float64: "f64",
}


class _Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in LAYERS and isinstance(result, Tensor):
            self.counts[NAMES.get(result.dtype, "unknown")] += 1
        return result


def executed_precision(module: nn.Module, images: Tensor) -> str:
    """As in `BackendInfo`, while `images` are answered."""
    # In inference mode layers come as they are written, not as the operators that compute them.
    with torch.no_grad(), _Watching() as watching:
        module(images)
    return summarized(watching.counts)
