"""Turns an operator graph into a Relax module that calls one TIR function per operator."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import relax

from mlperf_benchmark.tvm_compiler.building import calls, legalised
from mlperf_benchmark.tvm_compiler.choosing import Choice, method_of
from mlperf_benchmark.tvm_compiler.constants import Constant
from mlperf_benchmark.tvm_compiler.epilogue import Epilogue, Scaling
from mlperf_benchmark.tvm_compiler.graph import (
    Argument,
    AveragePool,
    ConstantValue,
    Convolution,
    Custom,
    Fallback,
    GlobalAveragePool,
    Graph,
    Image,
    MaxPool,
    Node,
)
from mlperf_benchmark.tvm_compiler.kernels.convolution import ConvolutionKernel
from mlperf_benchmark.tvm_compiler.kernels.depthwise import (
    DepthwiseKernel,
    packed_depthwise_weights,
)
from mlperf_benchmark.tvm_compiler.kernels.dot import Dot, WidenedDot, float_dot, int8_dot
from mlperf_benchmark.tvm_compiler.kernels.elementwise import ElementwiseSpec, elementwise
from mlperf_benchmark.tvm_compiler.kernels.emit import Stored
from mlperf_benchmark.tvm_compiler.kernels.grouped import Bands, GroupedKernel
from mlperf_benchmark.tvm_compiler.kernels.layout import ImageSpec, image
from mlperf_benchmark.tvm_compiler.kernels.pooling import average_pool, global_sum, max_pool
from mlperf_benchmark.tvm_compiler.kernels.specs import (
    ConvolutionSpec,
    Window,
    WindowSpec,
    WinogradTile,
)
from mlperf_benchmark.tvm_compiler.kernels.winograd import WinogradKernel
from mlperf_benchmark.tvm_compiler.layers import conversion, layer_of, part_of
from mlperf_benchmark.tvm_compiler.lowered import Lowered
from mlperf_benchmark.tvm_compiler.module_writer import ModuleWriter, TirFunction, shape_name
from mlperf_benchmark.tvm_compiler.node_lowering import NodeLowering
from mlperf_benchmark.tvm_compiler.operators.registry import LOWERINGS
from mlperf_benchmark.tvm_compiler.placement import place
from mlperf_benchmark.tvm_compiler.target import CpuTarget
from mlperf_benchmark.tvm_compiler.tiling import depthwise_columns
from mlperf_benchmark.tvm_compiler.work import Work, bytes_moved, multiply_accumulates

TileChooser = Callable[[ConvolutionSpec], Choice]


def lower(graph: Graph, target: CpuTarget, choose_tile: TileChooser) -> Lowered:
    """The module has one function, `main`, from the graph's input to its output in float32.

    For images its parameters are the pixels, and scale and offset of the normalisation.
    """
    return _Lowering(graph, target, choose_tile).run()


class _Lowering(NodeLowering):
    def __init__(self, graph: Graph, target: CpuTarget, choose_tile: TileChooser) -> None:
        super().__init__(graph, target, ModuleWriter(graph, place(graph)))
        self.choose_tile = choose_tile
        self.lowered = Lowered()

    def run(self) -> Lowered:
        def body() -> None:
            for node in self.graph.nodes:
                self.lowered.macs += multiply_accumulates(node, self.graph.values)
                self.lowered.bytes += bytes_moved(node, self.graph.values)
                self.lower_node(node)
                owners.extend([node] * (len(self.writer.emitted) - len(owners)))

        owners: list[Node | None] = []
        self.lowered.module = legalised(self.writer.write(body), self.target)
        # What follows returns the scores and belongs to no node.
        owners.extend([None] * (len(self.writer.emitted) - len(owners)))
        self.describe(owners)
        self.lowered.parameters = self.writer.parameters
        self.lowered.kernels = self.writer.kernels()
        self.lowered.weights = self.writer.weights()
        self.lowered.working = self.writer.working_memory()
        return self.lowered

    def describe(self, owners: list[Node | None]) -> None:
        """Record what `main` calls; `owners` are the nodes that the emitted code belongs to."""
        emitted = self.writer.emitted
        for call in calls(self.lowered.module, [emission.variable for emission in emitted]):
            tile = self.lowered.tiles.get(call.symbol)
            node = owners[call.number]
            if node is None or emitted[call.number].converts:
                layer = conversion(call.symbol)
            elif call.is_last:
                layer = layer_of(call.symbol, node, self.graph.values, tile)
            else:
                layer = part_of(call.symbol, node)
            self.lowered.layers.append(layer)

    def lower_node(self, node: Node) -> None:
        operator = node.operator
        if isinstance(operator, Convolution) and operator.weights.restored:
            self.lowered.restored += multiply_accumulates(node, self.graph.values)
        if isinstance(operator, Fallback):
            self.fallback(node, operator)
        elif isinstance(operator, Image):
            self.image(node)
        elif isinstance(operator, ConstantValue):
            self.writer.store_constant(node.output, operator.data)
        elif isinstance(operator, Convolution) and operator.depthwise:
            self.depthwise(node, operator)
        elif isinstance(operator, Convolution) and operator.groups > 1:
            self.grouped(node, operator)
        elif isinstance(operator, Convolution):
            self.convolution(node, operator)
        elif isinstance(operator, MaxPool):
            self.max_pool(node, operator)
        elif isinstance(operator, AveragePool):
            self.average_pool(node, operator)
        elif isinstance(operator, GlobalAveragePool):
            self.global_average(node)
        elif isinstance(operator, Custom):
            LOWERINGS[type(operator)](self, node, operator)
        else:
            self.identity(node)

    def convolution(self, node: Node, operator: Convolution) -> None:
        window = _window(operator)
        view = self.writer.placement.inputs[node.output]
        dot = self.dot(node, operator, operator.weights.data)
        stored, extra = self.stored(node, self.scaling(node, operator))
        shapes = f"{shape_name(view)}_{shape_name(stored.sink)}"
        if stored.sink.interleaved and view.interleaved:
            addends = tuple(addend.as_row() for addend in stored.addends)
            stored = replace(stored, sink=stored.sink.as_row(), addends=addends)
            # The pixels of the row are images, of which a stride skips none.
            view, window = view.as_row(), replace(window, stride=(1, 1))
        spec = ConvolutionSpec(view, stored, window, dot)
        tile = self.choose_tile(spec)
        if isinstance(tile, WinogradTile):
            winograd = WinogradKernel(spec, tile)
            constant = Constant(operator.weights.data, tile.outputs)
            name, write = f"winograd{tile.outputs}_{shapes}", winograd.function
            scratch = winograd.scratch()
        else:
            kernel = ConvolutionKernel(spec, tile)
            constant = Constant(kernel.pack(operator.weights.data))
            name, write = f"conv{_window_name(window)}_{shapes}", kernel.function
            scratch = None
        self.lowered.methods[method_of(tile)] += 1
        arguments = [self.source(node), self.writer.constant(constant), *extra]
        function = TirFunction(name, (spec, tile), write, scratch, by_thread=True)
        symbol = self.writer.store(node.output, function, arguments)
        self.lowered.specs[symbol], self.lowered.tiles[symbol] = spec, tile

    def depthwise(self, node: Node, operator: Convolution) -> None:
        window = _window(operator)
        view = self.writer.placement.inputs[node.output]
        stored, extra = self.stored(node, self.scaling(node, operator))
        weights = packed_depthwise_weights(operator.weights.data)
        spec = WindowSpec(view, stored, window)
        kernel = DepthwiseKernel(spec, depthwise_columns(spec, self.target))
        name = f"depthwise{_window_name(window)}_{shape_name(view)}"
        arguments = [self.source(node), self.writer.constant(Constant(weights)), *extra]
        self.writer.store(node.output, TirFunction(name, spec, kernel.function), arguments)

    def grouped(self, node: Node, operator: Convolution) -> None:
        window = _window(operator)
        view = self.writer.placement.inputs[node.output]
        outputs, inputs = operator.weights.data.shape[:2]
        bands = Bands(inputs, outputs // operator.groups, operator.groups)
        weights = bands.banded(operator.weights.data)
        dot = self.dot(node, operator, weights)
        stored, extra = self.stored(node, self.scaling(node, operator))
        kernel = GroupedKernel(ConvolutionSpec(view, stored, window, dot), bands)
        name = f"grouped{_window_name(window)}_{shape_name(view)}_{shape_name(stored.sink)}"
        arguments = [
            self.source(node),
            self.writer.constant(Constant(kernel.pack(weights))),
            *extra,
        ]
        function = TirFunction(name, (kernel.spec, bands), kernel.function, by_thread=True)
        self.writer.store(node.output, function, arguments)

    def average_pool(self, node: Node, operator: AveragePool) -> None:
        quantization = self.value(node.inputs[0]).quantization
        zero_point = quantization.zero_point if quantization else 0
        scale = self.dequantization(node).scale
        stored, extra = self.stored(node, Scaling(scale, np.zeros(1, np.float32)))
        window = Window(operator.kernel, operator.stride, (1, 1), operator.padding[:2])
        spec = WindowSpec(self.writer.placement.inputs[node.output], stored, window)
        name = f"averagepool{_window_name(window)}_{shape_name(spec.source)}"
        counted = operator.padding if operator.counts_padding else None
        key = (spec, counted, zero_point)
        function = TirFunction(name, key, lambda: average_pool(*key))
        self.writer.store(node.output, function, [self.source(node), *extra])

    def max_pool(self, node: Node, operator: MaxPool) -> None:
        quantization = self.value(node.inputs[0]).quantization
        same = quantization is not None and quantization == self.value(node.output).quantization
        if same and len(node.steps) == 1:
            stored = Stored(self.writer.view(node.output), (), Epilogue((), (), 0, "uint8"))
            extra: list[Any] = []
        else:
            stored, extra = self.stored(node, self.dequantization(node))
        window = Window(operator.kernel, operator.stride, (1, 1), operator.padding[:2])
        spec = WindowSpec(self.writer.placement.inputs[node.output], stored, window)
        name = f"maxpool{_window_name(window)}_{shape_name(spec.source)}"
        function = TirFunction(name, spec, lambda: max_pool(spec))
        self.writer.store(node.output, function, [self.source(node), *extra])

    def global_average(self, node: Node) -> None:
        view = self.writer.view(node.inputs[0])
        scaling = self.dequantization(node)
        pixels = np.float32(view.height * view.width)
        stored, extra = self.stored(node, Scaling(scaling.scale / pixels, scaling.offset))
        spec = WindowSpec(view, stored, Window((1, 1), (1, 1), (1, 1), (0, 0)))
        function = TirFunction(f"average_{shape_name(view)}", spec, lambda: global_sum(spec))
        self.writer.store(node.output, function, [self.source(node), *extra])

    def identity(self, node: Node) -> None:
        view = self.writer.view(node.inputs[0])
        stored, extra = self.stored(node, self.dequantization(node))
        spec = ElementwiseSpec(view, stored)
        function = TirFunction(f"elementwise_{shape_name(view)}", spec, lambda: elementwise(spec))
        self.writer.store(node.output, function, [self.source(node), *extra])

    def image(self, node: Node) -> None:
        spec = ImageSpec(self.writer.view(node.output), self.value(node.output).quantization)
        function = TirFunction(f"image_{shape_name(spec.sink)}", spec, lambda: image(spec))
        arguments = [self.writer.input, *self.writer.normalisation]
        self.writer.store(node.output, function, arguments)

    def fallback(self, node: Node, operator: Fallback) -> None:
        arguments = [self.argument(argument) for argument in operator.arguments]
        if operator.function is not None:
            function = operator.function.without_attr("global_symbol")
            variable = self.writer.builder.add_func(function, operator.name)
            call = relax.call_tir(variable, arguments, operator.call.ty)
        else:
            call = relax.Call(operator.call.op, arguments, operator.call.attrs)
        self.writer.store_plain(node.output, call, self.value(node.output).shape)
        known = self.lowered.fallbacks.get(operator.name, Work())
        self.lowered.fallbacks[operator.name] = Work(
            known.macs + multiply_accumulates(node, self.graph.values),
            known.bytes + bytes_moved(node, self.graph.values),
        )

    def argument(self, argument: Any) -> Any:
        """Return the Relax expression of a fallback's argument."""
        if isinstance(argument, tuple):
            return relax.Tuple([self.argument(field) for field in argument])
        if isinstance(argument, Argument):
            return self.writer.plain(argument.value, argument.shape, argument.arrangement)
        return argument

    def dot(self, node: Node, operator: Convolution, weights: NDArray[Any]) -> Dot:
        """Return the products for `weights`, those of the operator as its kernel lays them out, and
        count those that have to be widened.
        """
        if operator.weights.scales is None:
            return float_dot(self.target)
        dot = int8_dot(self.target, weights)
        if isinstance(dot, WidenedDot):
            self.lowered.widened += multiply_accumulates(node, self.graph.values)
        return dot

    def scaling(self, node: Node, operator: Convolution) -> Scaling:
        """Return the scaling of sums of products; the offset cancels the input's zero point."""
        quantization = self.value(node.inputs[0]).quantization
        if quantization is None or operator.weights.scales is None:
            return Scaling.none()
        scale = quantization.scale() * operator.weights.scales
        sums = operator.weights.data.sum(axis=(1, 2, 3), dtype=np.int64)
        return Scaling(scale, (-quantization.zero_point * scale * sums).astype(np.float32))


def _window(operator: Convolution) -> Window:
    _, _, height, width = operator.weights.data.shape
    return Window((height, width), operator.stride, operator.dilation, operator.padding[:2])


def _window_name(window: Window) -> str:
    return f"{window.kernel[0]}x{window.kernel[1]}s{window.stride[0]}"
