"""Collects TIR functions, constants and values into one Relax module."""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import relax
from tvm.relax import TensorType

from mlperf_benchmark.tvm_compiler.epilogue import Epilogue
from mlperf_benchmark.tvm_compiler.graph import PIXELS, FloatArray, Graph
from mlperf_benchmark.tvm_compiler.kernels.elementwise import ElementwiseSpec, elementwise
from mlperf_benchmark.tvm_compiler.kernels.emit import Stored
from mlperf_benchmark.tvm_compiler.kernels.layout import from_plain, to_plain
from mlperf_benchmark.tvm_compiler.placement import Placement
from mlperf_benchmark.tvm_compiler.storage import LANES, View

PACK = "pack"
UNPACK = "unpack"
COPY = "copy"
RESHAPE = "reshape"


@dataclass(frozen=True)
class TirFunction:
    """A function that `write` makes, once for all with an equal `key`."""

    name: str
    key: Hashable
    write: Callable[[], Any]


class ModuleWriter:
    """Values are kept as Relax expressions: in channel blocks, by view, or in plain NCHW."""

    def __init__(self, graph: Graph, placement: Placement) -> None:
        self.graph = graph
        self.placement = placement
        self.builder = relax.BlockBuilder()
        self.input: Any = None
        self.parameters: tuple[tuple[tuple[int, ...], str], ...] = ()
        self.normalisation: list[Any] = []
        self.called: list[str] = []
        """The functions that `main` calls, in their order."""
        self._blocked: dict[tuple[str, View], Any] = {}
        self._plain: dict[str, Any] = {}
        self._functions: dict[Hashable, Any] = {}
        self._weights: dict[tuple[str, bytes], tuple[Any, NDArray[Any]]] = {}

    def write(self, body: Callable[[], None]) -> Any:
        """The module whose `main` is what `body` emits."""
        value = self.graph.values[self.graph.input]
        parameters = [relax.Var(value.name, TensorType(value.shape, "float32"))]
        if value.name == PIXELS:
            n, c, h, w = value.shape
            parameters = [
                relax.Var(value.name, TensorType((n, h, w, c), "uint8")),
                relax.Var("scale", TensorType((c,), "float32")),
                relax.Var("offset", TensorType((c,), "float32")),
            ]
        self.parameters = tuple((_shape(p), str(p.ty.dtype)) for p in parameters)
        self._plain[value.name] = parameters[0]
        self.input = parameters[0]
        self.normalisation = parameters[1:]
        # Weights follow, a parameter each, of which `build` makes one.
        attributes = {"num_input": len(parameters)}
        with self.builder.function("main", attrs=attributes):
            with self.builder.dataflow():
                body()
                scores = self.plain(self.graph.output, self.graph.output_shape)
                result = self.builder.emit_output(scores)
            weights = [variable for variable, _ in self._weights.values()]
            self.builder.emit_func_output(result, [*parameters, *weights])
        return self.builder.get()

    def view(self, name: str) -> View:
        return self.placement.views[name]

    def blocked(self, name: str, wanted: View | None = None) -> Any:
        """A value in channel blocks, in the view it has or else in `wanted`."""
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

    def plain(self, name: str, wanted: tuple[int, ...]) -> Any:
        """A float32 value in the layout of the model, of the shape `wanted`.

        (N, C) and (N, C, 1, 1) are one value to the graph, but not to operators of TVM.
        """
        if name not in self._plain:
            view = self.view(name)
            unpack = TirFunction(f"{UNPACK}_{shape_name(view)}", view, lambda: to_plain(view))
            shape = (view.batch, view.channels, view.height, view.width)
            self._plain[name] = self.emit(unpack, [self._blocked[name, view]], shape, "float32")
        expression = self._plain[name]
        if _shape(expression) == wanted:
            return expression
        self.called.append(RESHAPE)
        return self.builder.emit(relax.op.reshape(expression, wanted))

    def store(self, name: str, function: TirFunction, arguments: list[Any]) -> str:
        """Let `function` compute the value `name` in channel blocks; return the symbol's name."""
        view = self.view(name)
        self._blocked[name, view] = self.call(function, arguments, view)
        return str(self._functions[_identity(function)].name_hint)

    def store_plain(self, name: str, expression: Any, called: str) -> None:
        """Let TVM compute the value `name` by `expression`, a call of the operator `called`."""
        self.called.append(called)
        self._plain[name] = self.builder.emit(expression)

    def call(self, function: TirFunction, arguments: list[Any], view: View) -> Any:
        return self.emit(function, arguments, (view.size,), view.dtype)

    def emit(
        self, function: TirFunction, arguments: list[Any], shape: tuple[int, ...], dtype: str
    ) -> Any:
        key = _identity(function)
        if key not in self._functions:
            self._functions[key] = self.builder.add_func(function.write(), function.name)
        self.called.append(str(self._functions[key].name_hint))
        result = TensorType(shape, dtype)
        return self.builder.emit(relax.call_tir(self._functions[key], arguments, result))

    def kernels(self) -> frozenset[str]:
        """The names of the functions that compute: none of TVM's own, nor the changes of layout
        that these need."""
        names = {str(variable.name_hint) for variable in self._functions.values()}
        return frozenset(name for name in names if not name.startswith((PACK, UNPACK)))

    def constant(self, array: NDArray[Any]) -> Any:
        """A parameter for the flat `array`, one for equal ones."""
        key = (str(array.dtype), hashlib.sha256(array.data).digest())
        if key not in self._weights:
            ty = TensorType(array.shape, str(array.dtype))
            self._weights[key] = relax.Var(f"weights{len(self._weights)}", ty), array
        return self._weights[key][0]

    def weights(self) -> tuple[NDArray[Any], ...]:
        """The arrays that the module wants after its parameters, in their order."""
        return tuple(array for _, array in self._weights.values())

    def channel_constant(self, values: FloatArray, view: View) -> Any:
        """One number per channel, as many as the blocks of `view` have."""
        full = np.zeros(view.blocks * LANES, np.float32)
        full[: view.channels] = values
        return self.constant(full)


def _identity(function: TirFunction) -> Hashable:
    """Of functions of one kind those with equal keys are the same."""
    return (function.name.partition("_")[0], function.key)


def shape_name(view: View) -> str:
    return f"{view.channels}x{view.height}x{view.width}"


def _shape(expression: Any) -> tuple[int, ...]:
    return tuple(int(extent) for extent in expression.ty.shape)
