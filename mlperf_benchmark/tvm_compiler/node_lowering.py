"""What all lowerings share: values as arguments, epilogues, the writer."""

from typing import Any

from mlperf_benchmark.tvm_compiler.epilogue import Scaling, plan
from mlperf_benchmark.tvm_compiler.graph import Graph, Node, Value, added_values
from mlperf_benchmark.tvm_compiler.kernels.emit import Stored
from mlperf_benchmark.tvm_compiler.module_writer import ModuleWriter
from mlperf_benchmark.tvm_compiler.target import CpuTarget


class NodeLowering:
    def __init__(self, graph: Graph, target: CpuTarget, writer: ModuleWriter) -> None:
        self.graph = graph
        self.target = target
        self.writer = writer

    def value(self, name: str) -> Value:
        return self.graph.values[name]

    def source(self, node: Node) -> Any:
        """Return the input of `node` in the view that it reads."""
        return self.writer.blocked(node.inputs[0], self.writer.placement.inputs[node.output])

    def stored(self, node: Node, scaling: Scaling) -> tuple[Stored, list[Any]]:
        """Return how the results of `node` are stored, and its addends and arrays as arguments."""
        view = self.writer.view(node.output)
        epilogue, arrays = plan(node.steps, self.graph.values, scaling, view)
        names = added_values(node.steps)
        arguments = [self.writer.blocked(name) for name in names]
        arguments += [self.writer.channel_constant(array, view) for array in arrays]
        addends = tuple(self.writer.view(name) for name in names)
        return Stored(view, addends, epilogue, packs=self.target.avx512), arguments

    def dequantization(self, node: Node) -> Scaling:
        """Return the scaling from the stored input of `node` to real numbers."""
        quantization = self.value(node.inputs[0]).quantization
        if quantization is None:
            return Scaling.none()
        return Scaling(quantization.scale(), -quantization.zero_point * quantization.scale())
