"""Collects TIR functions, constants and values into one Relax module."""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import relax
from tvm.relax import TensorType

from mlperf_benchmark.tvm_compiler.arena import Life, offsets
from mlperf_benchmark.tvm_compiler.arrangement import Arranged
from mlperf_benchmark.tvm_compiler.artifact import Buffer, WorkingMemory
from mlperf_benchmark.tvm_compiler.constants import Constant
from mlperf_benchmark.tvm_compiler.epilogue import Epilogue
from mlperf_benchmark.tvm_compiler.graph import PIXELS, FloatArray, Graph
from mlperf_benchmark.tvm_compiler.kernels.elementwise import ElementwiseSpec, elementwise
from mlperf_benchmark.tvm_compiler.kernels.emit import Scratch, Stored
from mlperf_benchmark.tvm_compiler.kernels.layout import from_plain, to_plain
from mlperf_benchmark.tvm_compiler.placement import Placement
from mlperf_benchmark.tvm_compiler.relax_meaning import shape_of
from mlperf_benchmark.tvm_compiler.storage import LANES, View

PACK = "pack"
UNPACK = "unpack"
COPY = "copy"


@dataclass(frozen=True)
class TirFunction:
    """A function that `write` makes, only once for all with an equal `key`.

    `by_thread` says that it takes the number of threads.
    """

    name: str
    key: Hashable
    write: Callable[[], Any]
    scratch: Scratch | None = None
    by_thread: bool = False


@dataclass(frozen=True)
class Emission:
    """The computation of a variable of `main`; with `converts`, only a change of layout."""

    variable: Any
    converts: bool


class ModuleWriter:
    """Keeps values as Relax expressions: in channel blocks, by view, or in plain NCHW."""

    def __init__(self, graph: Graph, placement: Placement) -> None:
        self.graph = graph
        self.placement = placement
        self.builder = relax.BlockBuilder()
        self.input: Any = None
        self.parameters: tuple[tuple[tuple[int, ...], str], ...] = ()
        self.normalisation: list[Any] = []
        self.emitted: list[Emission] = []
        self._blocked: dict[tuple[str, View], Any] = {}
        self._plain: dict[str, Any] = {}
        self._functions: dict[Hashable, Any] = {}
        self._weights: dict[Hashable, tuple[Any, Constant]] = {}
        self._steps = 0
        self._buffers: list[Any] = []
        self._lives: dict[Any, Life] = {}
        self._threads = relax.Var("threads", TensorType((1,), "int32"))
        self._scratch: dict[int, Any] = {}

    def write(self, body: Callable[[], None]) -> Any:
        """Return the module whose `main` is what `body` emits."""
        value = self.graph.values[self.graph.input]
        parameters = [relax.Var(value.name, TensorType(value.shape, "float32"))]
        if value.name == PIXELS:
            n, c, h, w = value.shape
            parameters = [
                relax.Var(value.name, TensorType((n, h, w, c), "uint8")),
                relax.Var("scale", TensorType((c,), "float32")),
                relax.Var("offset", TensorType((c,), "float32")),
            ]
        self.parameters = tuple((shape_of(p), str(p.ty.dtype)) for p in parameters)
        self._plain[value.name] = parameters[0]
        self.input = parameters[0]
        self.normalisation = parameters[1:]
        # Weights and buffers follow as one parameter each, which `build` combines into one.
        attributes = {"num_input": len(parameters)}
        with self.builder.function("main", attrs=attributes):
            with self.builder.dataflow():
                body()
                scores = self.plain(self.graph.output, self.graph.output_shape)
                result = self.builder.emit_output(scores)
            weights = [variable for variable, _ in self._weights.values()]
            working = [*self._buffers, *self._scratch.values(), self._threads]
            self.builder.emit_func_output(result, [*parameters, *weights, *working])
        return self.builder.get()

    def view(self, name: str) -> View:
        return self.placement.views[name]

    def blocked(self, name: str, wanted: View | None = None) -> Any:
        """Return a value in channel blocks, in its own view or in `wanted`."""
        view = self.view(name)
        if (name, view) not in self._blocked:
            pack = TirFunction(f"{PACK}_{shape_name(view)}", view, lambda: from_plain(view))
            plain = self.plain(name, (view.batch, view.channels, view.height, view.width))
            self._blocked[name, view] = self.call(pack, [plain], view)
        if wanted is None or wanted == view:
            return self._blocked[name, view]
        if (name, wanted) not in self._blocked:
            stored = Stored(wanted, (), Epilogue((), (), 0, view.dtype))
            spec = ElementwiseSpec(view, stored)
            copy = TirFunction(f"{COPY}_{shape_name(view)}", spec, lambda: elementwise(spec))
            self._blocked[name, wanted] = self.call(copy, [self._blocked[name, view]], wanted)
        return self._blocked[name, wanted]

    def plain(self, name: str, wanted: tuple[int, ...], arrangement: Arranged | None = None) -> Any:
        """Return a float32 value in the model's layout, with the shape `wanted`.

        (N, C) and (N, C, 1, 1) are the same value to the graph, but not to operators of TVM. An
        `arrangement` of the whole value is applied.
        """
        if name not in self._plain:
            view = self.view(name)
            unpack = TirFunction(f"{UNPACK}_{shape_name(view)}", view, lambda: to_plain(view))
            shape = (view.batch, view.channels, view.height, view.width)
            self._plain[name] = self.emit(unpack, [self._blocked[name, view]], shape, "float32")
        expression = self._plain[name]
        if arrangement is not None:
            expression = self.transposed(expression, arrangement)
        if shape_of(expression) == wanted:
            return expression
        return self._emit(relax.op.reshape(expression, wanted), converts=True)

    def transposed(self, expression: Any, arrangement: Arranged) -> Any:
        """Return the factors of an arrangement in their order, one dimension each."""
        factors = [factor for dim in arrangement.dims for factor in dim]
        ordered = sorted(factors, key=lambda factor: (factor.axis, -factor.stride))
        if ordered == factors:
            return expression
        apart = relax.op.reshape(expression, [factor.extent for factor in ordered])
        axes = [ordered.index(factor) for factor in factors]
        factored = self._emit(apart, converts=True)
        return self._emit(relax.op.permute_dims(factored, axes), converts=True)

    def store(self, name: str, function: TirFunction, arguments: list[Any]) -> str:
        """Let `function` compute the value `name` in channel blocks; return the symbol's name."""
        view = self.view(name)
        self._blocked[name, view] = self.call(function, arguments, view)
        return str(self._functions[_identity(function)].name_hint)

    def store_plain(self, name: str, expression: Any, shape: tuple[int, ...]) -> None:
        """Keep the result of a TVM operator as a value of `shape`: tokens (N, tokens, C) become
        channels first; of other tensors, only dimensions are merged.
        """
        result = self._emit(expression)
        known = shape_of(result)
        if len(known) == 3:
            result = self._emit(relax.op.permute_dims(result, [0, 2, 1]), converts=True)
        if known != shape:
            result = self._emit(relax.op.reshape(result, shape), converts=True)
        self._plain[name] = result

    def store_constant(self, name: str, data: FloatArray) -> None:
        """Keep a constant (1, C, H, W) as a value."""
        view = self.view(name)
        packed = np.zeros((view.blocks * LANES, view.height, view.width), np.float32)
        packed[: view.channels] = data[0]
        blocks = packed.reshape(view.blocks, LANES, view.height, view.width)
        bordered = np.full(
            (
                view.blocks,
                view.halo[0] + view.height + view.halo[2],
                view.halo[1] + view.width + view.halo[3],
                LANES,
            ),
            view.fill,
            np.float32,
        )
        rows = slice(view.halo[0], view.halo[0] + view.height)
        columns = slice(view.halo[1], view.halo[1] + view.width)
        bordered[:, rows, columns] = blocks.transpose(0, 2, 3, 1)
        self._blocked[name, view] = self.constant(Constant(bordered.reshape(-1)))

    def call(self, function: TirFunction, arguments: list[Any], view: View) -> Any:
        """Return the result of `function` in a buffer of the working memory."""
        step = self._use(arguments)
        if function.scratch:
            together = self._buffer(function.scratch.together, "float32", step)
            each = self._scratch_of(function.scratch.each)
            arguments = [*arguments, together, each]
        if function.by_thread:
            arguments = [*arguments, self._threads]
        buffer = self._buffer(view.size, view.dtype, step)
        variable, last = self.function(function), len(arguments)
        call = relax.op.call_tir_inplace(variable, [*arguments, buffer], last, buffer.ty)
        value = self._emit(call, converts=_converts(function))
        self._lives[value] = self._lives[buffer]
        return value

    def _scratch_of(self, size: int) -> Any:
        """Return the scratch of each thread; kernels of equal needs share it."""
        if size not in self._scratch:
            name = f"scratch{len(self._scratch)}"
            self._scratch[size] = relax.Var(name, TensorType((size,), "float32"))
        return self._scratch[size]

    def _buffer(self, size: int, dtype: str, step: int) -> Any:
        """Return a place in the working memory that is needed from `step` on."""
        buffer = relax.Var(f"buffer{len(self._buffers)}", TensorType((size,), dtype))
        self._buffers.append(buffer)
        self._lives[buffer] = Life(size * np.dtype(dtype).itemsize, step, step)
        return buffer

    def emit(
        self, function: TirFunction, arguments: list[Any], shape: tuple[int, ...], dtype: str
    ) -> Any:
        """Return the result of `function` in memory that TVM allocates."""
        self._use(arguments)
        call = relax.call_tir(self.function(function), arguments, TensorType(shape, dtype))
        return self._emit(call, converts=_converts(function))

    def function(self, function: TirFunction) -> Any:
        key = _identity(function)
        if key not in self._functions:
            self._functions[key] = self.builder.add_func(function.write(), function.name)
        return self._functions[key]

    def _emit(self, expression: Any, *, converts: bool = False) -> Any:
        variable = self.builder.emit(expression)
        self.emitted.append(Emission(variable, converts))
        return variable

    def _use(self, arguments: list[Any]) -> int:
        """Return the number of the step that reads `arguments`."""
        self._steps += 1
        for argument in arguments:
            if argument in self._lives:
                self._lives[argument].last = self._steps
        return self._steps

    def kernels(self) -> frozenset[str]:
        """The names of our functions that compute, without TVM's own and the layout changes for
        them.
        """
        names = {str(variable.name_hint) for variable in self._functions.values()}
        return frozenset(name for name in names if not name.startswith((PACK, UNPACK)))

    def constant(self, constant: Constant) -> Any:
        """Return a parameter for `constant`, the same for equal constants."""
        array = np.ascontiguousarray(constant.stored)
        digest = hashlib.sha256(array.data).digest()
        key = (str(array.dtype), array.shape, digest, constant.winograd)
        if key not in self._weights:
            ty = TensorType((constant.size,), str(array.dtype))
            self._weights[key] = relax.Var(f"weights{len(self._weights)}", ty), constant
        return self._weights[key][0]

    def weights(self) -> tuple[Constant, ...]:
        """The constants that the module takes after its parameters, in order."""
        return tuple(constant for _, constant in self._weights.values())

    def working_memory(self) -> WorkingMemory:
        """The memory that the module takes after the weights; the number of threads follows."""
        places = offsets([self._lives[buffer] for buffer in self._buffers])
        buffers = tuple(
            Buffer(str(buffer.ty.dtype), shape_of(buffer)[0], place)
            for buffer, place in zip(self._buffers, places, strict=True)
        )
        return WorkingMemory(buffers, tuple(self._scratch))

    def channel_constant(self, values: FloatArray, view: View) -> Any:
        """Return one number per channel, for all channels in the blocks of `view`."""
        full = np.zeros(view.blocks * LANES, np.float32)
        full[: view.channels] = values
        return self.constant(Constant(full))


def _identity(function: TirFunction) -> Hashable:
    """Return what identifies a function: those of one kind with equal keys are the same."""
    return (function.name.partition("_")[0], function.key)


def _converts(function: TirFunction) -> bool:
    return function.name.startswith((COPY, PACK, UNPACK))


def shape_name(view: View) -> str:
    return f"{view.channels}x{view.height}x{view.width}"
