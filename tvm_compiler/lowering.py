"""Turns an operator graph into a Relax module that calls one TIR function per operator."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from tvm import relax
from tvm.relax import TensorType

from tvm_compiler.epilogue import Epilogue, plan
from tvm_compiler.graph import (
    PIXELS,
    AddValue,
    Convolution,
    Fallback,
    FloatArray,
    GlobalAveragePool,
    Graph,
    Image,
    MaxPool,
    Node,
    Requantize,
    Value,
    multiply_accumulates,
)
from tvm_compiler.kernels.convolution import (
    ConvolutionKernel,
    ConvolutionSpec,
    Tile,
    Window,
    packed_weights,
)
from tvm_compiler.kernels.depthwise import (
    DepthwiseKernel,
    DepthwiseSpec,
    packed_depthwise_weights,
)
from tvm_compiler.kernels.dot import Avx2Dot, Dot, FloatDot, Vnni256Dot, Vnni512Dot
from tvm_compiler.kernels.elementwise import ElementwiseSpec, elementwise
from tvm_compiler.kernels.emit import Stored
from tvm_compiler.kernels.layout import ImageSpec, from_plain, image, to_plain
from tvm_compiler.kernels.pooling import PoolSpec, global_sum, max_pool
from tvm_compiler.placement import place
from tvm_compiler.storage import LANES, View
from tvm_compiler.target import CpuTarget

TileChooser = Callable[[ConvolutionSpec], Tile]

_INT8_DOTS: Mapping[str, Dot] = {
    "vnni512": Vnni512Dot(),
    "vnni256": Vnni256Dot(),
    "avx2": Avx2Dot(),
}


@dataclass
class Lowered:
    """`functions` names the TIR functions by their operator; MACs are of the whole batch."""

    module: Any
    tiles: dict[str, Tile] = field(default_factory=dict)
    fallbacks: dict[str, int] = field(default_factory=dict)
    macs: int = 0


def lower(graph: Graph, target: CpuTarget, choose_tile: TileChooser) -> Lowered:
    """The module has one function, `main`, from the graph's input to its output in float32.

    For images its parameters are the pixels, and scale and offset of the normalisation.
    """
    return _Lowering(graph, target, choose_tile).run()


class _Lowering:
    def __init__(self, graph: Graph, target: CpuTarget, choose_tile: TileChooser) -> None:
        self.graph = graph
        self.target = target
        self.choose_tile = choose_tile
        self.builder = relax.BlockBuilder()
        placement = place(graph)
        self.views, self.input_views = placement.views, placement.inputs
        self.blocked: dict[tuple[str, View], Any] = {}
        self.plain: dict[str, Any] = {}
        self.functions: dict[Hashable, Any] = {}
        self.constants: dict[bytes, Any] = {}
        self.normalisation: list[Any] = []
        self.lowered = Lowered(None)

    def run(self) -> Lowered:
        value = self.graph.values[self.graph.input]
        parameters = [relax.Var(value.name, TensorType(value.shape, "float32"))]
        if value.name == PIXELS:
            n, c, h, w = value.shape
            parameters = [
                relax.Var(value.name, TensorType((n, h, w, c), "uint8")),
                relax.Var("scale", TensorType((c,), "float32")),
                relax.Var("offset", TensorType((c,), "float32")),
            ]
        self.plain[value.name] = parameters[0]
        self.normalisation = parameters[1:]
        with self.builder.function("main", parameters):
            with self.builder.dataflow():
                for node in self.graph.nodes:
                    self.lower_node(node)
                result = self.builder.emit_output(self.as_plain(self.graph.output))
            self.builder.emit_func_output(result)
        self.lowered.module = self.builder.get()
        return self.lowered

    def lower_node(self, node: Node) -> None:
        self.lowered.macs += multiply_accumulates(node, self.graph.values)
        operator = node.operator
        if isinstance(operator, Fallback):
            self.fallback(node, operator)
        elif isinstance(operator, Image):
            self.image(node)
        elif isinstance(operator, Convolution) and operator.groups > 1:
            self.depthwise(node, operator)
        elif isinstance(operator, Convolution):
            self.convolution(node, operator)
        elif isinstance(operator, MaxPool):
            self.max_pool(node, operator)
        elif isinstance(operator, GlobalAveragePool):
            self.global_average(node)
        else:
            self.identity(node)

    # Values.

    def value(self, name: str) -> Value:
        return self.graph.values[name]

    def source(self, name: str, wanted: View | None = None) -> tuple[Any, View]:
        """A value in channel blocks, in the view it has or else in `wanted`."""
        view = self.views[name]
        if (name, view) not in self.blocked:
            self.blocked[name, view] = self.call(
                f"pack_{_shape_name(view)}", (view,), lambda: from_plain(view), [self.plain[name]],
                view,
            )
        if wanted is None or wanted == view:
            return self.blocked[name, view], view
        if (name, wanted) not in self.blocked:
            stored = Stored(wanted, (), Epilogue((), (), 0, view.dtype))
            spec = ElementwiseSpec(view, stored)
            self.blocked[name, wanted] = self.call(
                f"copy_{_shape_name(view)}", spec, lambda: elementwise(spec),
                [self.blocked[name, view]], wanted,
            )
        return self.blocked[name, wanted], wanted

    def as_plain(self, name: str) -> Any:
        """A value as float32 in the layout of the model."""
        if name not in self.plain:
            view = self.views[name]
            value = self.value(name)
            shape = (view.batch, view.channels, view.height, view.width)
            expression = self.call_shaped(
                f"unpack_{_shape_name(view)}", view, lambda: to_plain(view),
                [self.blocked[name, view]], shape, "float32",
            )
            if value.shape != shape:
                expression = self.builder.emit(relax.op.reshape(expression, value.shape))
            self.plain[name] = expression
        return self.plain[name]

    def stored(
        self, node: Node, scale: FloatArray, offset: FloatArray
    ) -> tuple[Stored, list[Any]]:
        """Where the results of `node` go, and its addends and arrays as arguments."""
        view = self.views[node.output]
        epilogue, arrays = plan(
            node.steps, self.graph.values, view.channels, scale, offset, view.dtype
        )
        addends = [self.source(s.value) for s in node.steps if isinstance(s, AddValue)]
        padded = []
        for array in arrays:
            full = np.zeros(view.blocks * LANES, np.float32)
            full[: view.channels] = array
            padded.append(self.constant(full))
        stored = Stored(view, tuple(view for _, view in addends), epilogue)
        return stored, [expression for expression, _ in addends] + padded

    def constant(self, array: Any) -> Any:
        key = array.dtype.str.encode() + array.tobytes()
        if key not in self.constants:
            self.constants[key] = relax.const(array)
        return self.constants[key]

    # Calls.

    def call(
        self, name: str, key: Hashable, make: Callable[[], Any], arguments: list[Any], view: View
    ) -> Any:
        return self.call_shaped(name, key, make, arguments, (view.size,), view.dtype)

    def call_shaped(
        self,
        name: str,
        key: Hashable,
        make: Callable[[], Any],
        arguments: list[Any],
        shape: tuple[int, ...],
        dtype: str,
    ) -> Any:
        """Call the function that `make` writes, once for equal keys."""
        kind = name.partition("_")[0]
        if (kind, key) not in self.functions:
            self.functions[kind, key] = self.builder.add_func(make(), name)
        function = self.functions[kind, key]
        return self.builder.emit(relax.call_tir(function, arguments, TensorType(shape, dtype)))

    def store(self, node: Node, expression: Any) -> None:
        self.blocked[node.output, self.views[node.output]] = expression

    # Operators.

    def convolution(self, node: Node, operator: Convolution) -> None:
        window = _window(operator)
        data, view = self.windowed_source(node)
        quantized = operator.weights.scales is not None
        dot = _INT8_DOTS[self.target.dot] if quantized else FloatDot()
        stored, extra = self.stored(node, *self.scale_and_offset(node, operator))
        weights = packed_weights(operator.weights.data, view.block, dot)
        if stored.sink.interleaved and view.interleaved:
            stored = replace(
                stored,
                sink=stored.sink.as_row(),
                addends=tuple(addend.as_row() for addend in stored.addends),
            )
            view = view.as_row()
        spec = ConvolutionSpec(view, stored, window)
        tile = self.choose_tile(spec)
        name = f"conv{_window_name(window)}_{_shape_name(view)}_{_shape_name(stored.sink)}"
        expression = self.call(
            name, (spec, tile), lambda: ConvolutionKernel(spec, tile, dot).function(),
            [data, self.constant(weights), *extra], stored.sink,
        )
        self.lowered.tiles[node.output] = tile
        self.store(node, expression)

    def depthwise(self, node: Node, operator: Convolution) -> None:
        window = _window(operator)
        data, view = self.windowed_source(node)
        stored, extra = self.stored(node, *self.scale_and_offset(node, operator))
        weights = packed_depthwise_weights(operator.weights.data)
        spec = DepthwiseSpec(view, stored, window)
        columns = depthwise_columns(spec, self.target)
        name = f"depthwise{_window_name(window)}_{_shape_name(view)}"
        expression = self.call(
            name, spec, lambda: DepthwiseKernel(spec, columns).function(),
            [data, self.constant(weights), *extra], stored.sink,
        )
        self.store(node, expression)

    def scale_and_offset(self, node: Node, operator: Convolution) -> tuple[FloatArray, FloatArray]:
        """real = scale * accumulator + offset; the offset undoes the input's zero point."""
        quantization = self.value(node.inputs[0]).quantization
        if quantization is None or operator.weights.scales is None:
            return np.ones(1, np.float32), np.zeros(1, np.float32)
        scale = quantization.scale() * operator.weights.scales
        sums = operator.weights.data.sum(axis=(1, 2, 3), dtype=np.int64)
        return scale, (-quantization.zero_point * scale * sums).astype(np.float32)

    def dequantization(self, name: str) -> tuple[FloatArray, FloatArray]:
        quantization = self.value(name).quantization
        if quantization is None:
            return np.ones(1, np.float32), np.zeros(1, np.float32)
        return quantization.scale(), -quantization.zero_point * quantization.scale()

    def windowed_source(self, node: Node) -> tuple[Any, View]:
        return self.source(node.inputs[0], self.input_views[node.output])

    def max_pool(self, node: Node, operator: MaxPool) -> None:
        data, view = self.windowed_source(node)
        quantization = self.value(node.inputs[0]).quantization
        if quantization and node.steps == (Requantize(quantization),):
            stored = Stored(self.views[node.output], (), Epilogue((), (), 0, "uint8"))
            extra: list[Any] = []
        else:
            stored, extra = self.stored(node, *self.dequantization(node.inputs[0]))
        window = Window(operator.kernel, operator.stride, (1, 1), operator.padding[:2])
        spec = PoolSpec(view, stored, window)
        name = f"maxpool{_window_name(window)}_{_shape_name(view)}"
        self.store(node, self.call(name, spec, lambda: max_pool(spec), [data, *extra], stored.sink))

    def global_average(self, node: Node) -> None:
        data, view = self.source(node.inputs[0])
        scale, offset = self.dequantization(node.inputs[0])
        pixels = np.float32(view.height * view.width)
        stored, extra = self.stored(node, scale / pixels, offset)
        spec = PoolSpec(view, stored, Window((1, 1), (1, 1), (1, 1), (0, 0)))
        name = f"average_{_shape_name(view)}"
        self.store(
            node, self.call(name, spec, lambda: global_sum(spec), [data, *extra], stored.sink)
        )

    def identity(self, node: Node) -> None:
        data, view = self.source(node.inputs[0])
        stored, extra = self.stored(node, *self.dequantization(node.inputs[0]))
        spec = ElementwiseSpec(view, stored)
        name = f"elementwise_{_shape_name(view)}"
        self.store(
            node, self.call(name, spec, lambda: elementwise(spec), [data, *extra], stored.sink)
        )

    def image(self, node: Node) -> None:
        value = self.value(node.output)
        sink = self.views[node.output]
        spec = ImageSpec(sink, value.quantization)
        arguments = [self.plain[node.inputs[0]], *self.normalisation]
        name = f"image_{_shape_name(sink)}"
        self.store(node, self.call(name, spec, lambda: image(spec), arguments, sink))

    def fallback(self, node: Node, operator: Fallback) -> None:
        arguments = [self.as_plain(a) if isinstance(a, str) else a for a in operator.arguments]
        if operator.function is not None:
            function = operator.function.without_attr("global_symbol")
            variable = self.builder.add_func(function, operator.name)
            call = relax.call_tir(variable, arguments, operator.call.ty)
        else:
            call = relax.Call(operator.call.op, arguments, operator.call.attrs)
        self.plain[node.output] = self.builder.emit(call)
        macs = multiply_accumulates(node, self.graph.values)
        name = operator.name
        self.lowered.fallbacks[name] = self.lowered.fallbacks.get(name, 0) + macs


def depthwise_columns(spec: DepthwiseSpec, target: CpuTarget) -> int:
    """Pixels at once: as many as leave registers for the weights of a row, evenly cut."""
    width = spec.stored.sink.width
    room = (24 if target.avx512 else 6) - spec.window.kernel[1]
    passes = -(-width // max(room, 1))
    return -(-width // passes)


def _window(operator: Convolution) -> Window:
    _, _, height, width = operator.weights.data.shape
    return Window((height, width), operator.stride, operator.dilation, operator.padding[:2])


def _window_name(window: Window) -> str:
    return f"{window.kernel[0]}x{window.kernel[1]}s{window.stride[0]}"


def _shape_name(view: View) -> str:
    return f"{view.channels}x{view.height}x{view.width}"
