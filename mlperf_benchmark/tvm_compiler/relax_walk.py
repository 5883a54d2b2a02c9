"""Walks the bindings of a Relax function and collects the nodes of the operator graph."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from tvm import relax
from tvm.ir import GenericConst, TupleGetItem

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.tvm_compiler.arrangement import (
    Arranged,
    Shape,
    likely_channels,
    natural,
    plain,
    usual_channels,
)
from mlperf_benchmark.tvm_compiler.graph import (
    Argument,
    Fallback,
    FloatArray,
    Graph,
    Identity,
    MultiplyConstant,
    Node,
    Operator,
    Requantize,
    Step,
    Value,
)
from mlperf_benchmark.tvm_compiler.operators.join import Join, picked_channels
from mlperf_benchmark.tvm_compiler.operators.rearrange import Rearrange
from mlperf_benchmark.tvm_compiler.relax_constants import CONSTANT_FUNCTIONS
from mlperf_benchmark.tvm_compiler.relax_meaning import (
    Deferred,
    Meaning,
    QuantizedConstant,
    shape_of,
)

QUANTIZING = frozenset({"relax.quantize", "relax.dequantize"})


class Reader:
    """Keeps what each Relax variable means; `handlers` say what calls of operators mean."""

    def __init__(
        self, module: Any, handlers: Mapping[str, "Handler"], origins: Mapping[str, str]
    ) -> None:
        self.module = module
        self.handlers = handlers
        self.origins = origins
        self.origin = ""
        self.origin_of: dict[Any, str] = {}
        self.function = module["main"]
        if len(self.function.params) != 1:
            count = len(self.function.params)
            raise ModelError(f"The model has {count} inputs; one is supported.")
        self.meanings: dict[Any, Meaning] = {}
        self.graph = Graph(input="input")

    def read(self, channels_last: bool) -> Graph:
        parameter = self.function.params[0]
        shape, dims = natural(shape_of(parameter), 3 if channels_last else 1)
        self.graph.values["input"] = Value("input", shape)
        self.meanings[parameter] = Arranged("input", dims) if channels_last else "input"
        for block in self.function.body.blocks:
            for binding, origin in zip(block.bindings, self.origins_of(block), strict=True):
                self.origin = self.origin_of[binding.var] = origin
                meaning = self.bind(binding.value)
                if isinstance(meaning, Deferred):
                    meaning = replace(meaning, origins=(*meaning.origins, origin))
                self.meanings[binding.var] = meaning
        result = self.function.body.body
        if not isinstance(result, relax.Var):
            raise ModelError("The model has more than one output; one is supported.")
        self.graph.output = self.real(self.value(result))
        self.graph.output_shape = shape_of(result)
        return self.graph

    def origins_of(self, block: Any) -> list[str]:
        """Return the operator of the model that each binding belongs to: the operator of the next
        variable that is known to be an operator's result. Quantizers belong to none.
        """
        found: list[str] = []
        origin = ""
        for binding in reversed(block.bindings):
            origin = self.origins.get(str(binding.var.name), origin)
            name = getattr(getattr(binding.value, "op", None), "name", "")
            found.append("" if name in QUANTIZING else origin)
        return found[::-1]

    def bind(self, expression: Any) -> Meaning:
        if isinstance(expression, (relax.Var, GenericConst)):
            return self.meaning(expression)
        if isinstance(expression, TupleGetItem):
            return self.item(expression)
        if isinstance(expression, relax.Tuple):
            return tuple(self.meaning(field) for field in expression.fields)
        name = expression.op.name if hasattr(expression, "op") else ""
        handler = self.handlers.get(name)
        if name in CONSTANT_FUNCTIONS and all(self.is_number(a) for a in expression.args):
            return CONSTANT_FUNCTIONS[name](expression, *map(self.meaning, expression.args))
        meaning = handler(self, expression) if handler else None
        return self.fallback(expression) if meaning is None else meaning

    def item(self, expression: TupleGetItem) -> Meaning:
        whole, index = self.meaning(expression.tuple_value), int(expression.index)
        if isinstance(whole, tuple):
            part: Meaning = whole[index]
            return part
        if index == 0:
            # Inference reads only the first result of batch norm.
            return whole
        raise ModelError("An operator of the model has several results, which is not supported.")

    # What expressions mean.

    def meaning(self, expression: Any) -> Meaning:
        if isinstance(expression, relax.Var):
            return self.meanings[expression]
        if isinstance(expression, relax.Tuple):
            return tuple(self.meaning(field) for field in expression.fields)
        return np.asarray(expression.value.numpy())

    def value(self, expression: Any) -> str:
        """Return the name of a value (N, C, H, W) or (N, C), which is made now if it does not
        exist.
        """
        meaning = self.meaning(expression)
        if isinstance(meaning, np.ndarray | QuantizedConstant):
            raise ModelError("The output of the model, or of one operator, is constant.")
        if isinstance(meaning, str):
            return meaning
        arranged = self.arranged(expression)
        if arranged is None or len(arranged.dims) not in (2, 4):
            raise ModelError(f"A tensor of rank {len(shape_of(expression))} is not supported here.")
        name = self.rearranged(arranged, 1).value
        self.meanings[expression] = name
        return name

    def arranged(self, expression: Any) -> Arranged | None:
        """Return a computed tensor as an arrangement of a value; None for constants and for values
        without channels.
        """
        if not isinstance(expression, relax.Var):
            return None
        meaning = self.meaning(expression)
        if isinstance(meaning, Deferred):
            meaning = self.meanings[expression] = self.made_now(expression, meaning.call)
        if isinstance(meaning, Arranged):
            return meaning
        shape = shape_of(expression)
        if not isinstance(meaning, str) or len(shape) not in (2, 4):
            return None
        return plain(meaning, shape)

    def made_now(self, variable: Any, call: Any) -> Meaning:
        """Compute what was deferred, as a part of the operator that it belongs to."""
        reader, self.origin = self.origin, self.origin_of[variable]
        meaning = self.fallback(call)
        self.origin = reader
        return meaning

    def whole(self, arranged: Arranged, channels: int | None = None) -> Arranged:
        """Return the tensor as a whole value; `channels` is the dimension that becomes its C."""
        shape = self.shape(arranged.value)
        fits = channels is None or arranged.is_channels(channels, shape[1])
        if fits and arranged.covers(shape):
            return arranged
        return self.rearranged(arranged, channels)

    def rearranged(self, arranged: Arranged, channels: int | None = None) -> Arranged:
        """Return a copy with a value of its own."""
        dim = likely_channels(arranged) if channels is None else channels % len(arranged.dims)
        shape, dims = natural(arranged.shape, dim)
        source = replace(arranged, value=self.real(arranged.value), factor=1.0)
        target = Arranged("", dims)
        picked = picked_channels(source, self.shape(source.value), dim)
        copy = Rearrange(((source, target),)) if picked is None else Join(picked)
        name = self.emit(copy, (source.value,), shape)
        if arranged.factor != 1.0:
            scale = np.full(1, arranged.factor, np.float32)
            name = self.emit(Identity(), (name,), shape, MultiplyConstant(scale))
        return replace(target, value=name)

    def as_meaning(self, arranged: Arranged, shape: Shape) -> Meaning:
        """Return the value's name if the arrangement is the value's own."""
        known = self.shape(arranged.value)
        is_own = len(shape) in (2, 4) and arranged.covers(known)
        if is_own and arranged == plain(arranged.value, known[: len(shape)]):
            return arranged.value
        return arranged

    def shape(self, name: str) -> tuple[int, int, int, int]:
        """(N, C, H, W) of a value."""
        n, c, h, w = (*self.graph.values[name].shape, 1, 1)[:4]
        return n, c, h, w

    def is_number(self, expression: Any) -> bool:
        """Whether this is a constant of the model that is not quantized."""
        known = isinstance(expression, (relax.Var, GenericConst))
        return known and isinstance(self.meaning(expression), np.ndarray)

    def constant(self, expression: Any) -> FloatArray | None:
        """A constant in real numbers, None for anything else."""
        if not isinstance(expression, (relax.Var, GenericConst)):
            return None
        meaning = self.meaning(expression)
        if isinstance(meaning, QuantizedConstant):
            return meaning.real()
        return meaning.astype(np.float32) if isinstance(meaning, np.ndarray) else None

    # Making nodes.

    def emit(
        self,
        operator: Operator,
        inputs: tuple[str, ...],
        shape: tuple[int, ...],
        *steps: Step,
        also: tuple[str, ...] = (),
    ) -> str:
        """Make a node and return its output; it also computes what the operators `also`
        deferred.
        """
        name = f"v{len(self.graph.values)}"
        last = steps[-1] if steps else None
        quantization = last.quantization if isinstance(last, Requantize) else None
        self.graph.values[name] = Value(name, shape, quantization)
        origins = tuple(dict.fromkeys(origin for origin in (self.origin, *also) if origin))
        self.graph.nodes.append(Node(operator, inputs, name, steps, origins))
        return name

    def fallback(self, call: Any) -> Meaning:
        """Leave `call` to TVM. Its arguments become float32 in the layout of the model."""
        if not hasattr(call, "op") or not hasattr(call.ty, "shape"):
            name = getattr(getattr(call, "op", call), "name", type(call).__name__)
            raise ModelError(f'The operator "{name}" of the model is not supported.')
        function = None
        arguments = list(call.args)
        if call.op.name == "relax.call_tir":
            function, arguments = self.module[call.args[0]], list(call.args[1].fields)
        resolved = tuple(self.argument(argument) for argument in arguments)
        shape = shape_of(call)
        fallback, inputs = Fallback(call, resolved, function), _values(resolved)
        if len(shape) < 3 or len(shape) == 4:
            return self.emit(fallback, inputs, shape)
        stored, dims = natural(shape, usual_channels(len(shape)))
        return Arranged(self.emit(fallback, inputs, stored), dims)

    def argument(self, expression: Any) -> Any:
        """Return an argument of a fallback, see `Fallback`."""
        if isinstance(expression, relax.Tuple):
            return tuple(self.argument(field) for field in expression.fields)
        if not isinstance(expression, relax.Var):
            return expression
        meaning = self.meaning(expression)
        if isinstance(meaning, QuantizedConstant):
            meaning = meaning.real()
        if isinstance(meaning, np.ndarray):
            return relax.const(np.ascontiguousarray(meaning))
        arranged = self.arranged(expression)
        if arranged is None:
            return Argument(self.value(expression), shape_of(expression), None)
        arranged = self.whole(arranged)
        name = self.real(arranged.value)
        return Argument(name, shape_of(expression), replace(arranged, value=name))

    def real(self, name: str) -> str:
        """Return the value itself, or a float32 copy if it is stored as uint8."""
        value = self.graph.values[name]
        if value.quantization is None:
            return name
        return self.emit(Identity(), (name,), value.shape)

    def has_one_scale(self, name: str) -> bool:
        """Whether a value is float32, or stored with one scale for all its channels."""
        quantization = self.graph.values[name].quantization
        return quantization is None or len(quantization.scales) == 1

    def step(self, call: Any, *steps: Step) -> Meaning | None:
        """Apply `steps` to the first argument of `call`."""
        source = self.arranged(call.args[0])
        if source is None:
            return None
        return self.as_meaning(self.applied(source, *steps), shape_of(call))

    def applied(self, source: Arranged, *steps: Step) -> Arranged:
        """Apply `steps` to a tensor."""
        source = self.whole(source)
        shape = self.graph.values[source.value].shape
        return replace(source, value=self.emit(Identity(), (source.value,), shape, *steps))


def _values(arguments: tuple[Any, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for argument in arguments:
        if isinstance(argument, tuple):
            names += _values(argument)
        elif isinstance(argument, Argument):
            names.append(argument.value)
    return tuple(names)


Handler = Callable[[Reader, Any], Meaning | None]
"""What a call means; None leaves it to TVM."""
