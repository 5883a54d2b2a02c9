"""Maps each operator of this folder to its lowering."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mlperf_benchmark.tvm_compiler.graph import Node
from mlperf_benchmark.tvm_compiler.node_lowering import NodeLowering
from mlperf_benchmark.tvm_compiler.operators import attention, channel_norm, join, rearrange

LOWERINGS: Mapping[type, Callable[[NodeLowering, Node, Any], None]] = MappingProxyType(
    {
        attention.Attention: attention.lower,
        channel_norm.ChannelNorm: channel_norm.lower,
        join.Join: join.lower,
        rearrange.Rearrange: rearrange.lower,
    }
)
