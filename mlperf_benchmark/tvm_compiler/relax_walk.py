"""Walks the bindings of a Relax function and collects the nodes of the operator graph."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tvm import relax
from tvm.ir import GenericConst, TupleGetItem

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.tvm_compiler.graph import (
    Argument,
    Fallback,
    FloatArray,
    Graph,
    Identity,
    Node,
    Operator,
    Requantize,
    Step,
    Value,
)
from mlperf_benchmark.tvm_compiler.relax_meaning import (
    Flattened,
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
        self.function = module["main"]
        if len(self.function.params) != 1:
            count = len(self.function.params)
            raise ModelError(f"The model has {count} inputs; one is supported.")
        self.meanings: dict[Any, Meaning] = {}
        self.graph = Graph(input="input")

    def read(self) -> Graph:
        parameter = self.function.params[0]
        self.graph.values["input"] = Value("input", shape_of(parameter))
        self.meanings[parameter] = "input"
        for block in self.function.body.blocks:
            for binding, origin in zip(block.bindings, self.origins_of(block), strict=True):
                self.origin = origin
                self.meanings[binding.var] = self.bind(binding.value)
        result = self.function.body.body
        if not isinstance(result, relax.Var):
            raise ModelError("The model has more than one output; one is supported.")
        self.graph.output = self.real(self.value(result))
        self.graph.output_shape = shape_of(result)
        return self.graph

    def origins_of(self, block: Any) -> list[str]:
        """The operator of the model that each binding is a part of: that of the next variable that
        is known to be one's result. Quantizers are no part of any.
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
        if isinstance(expression, TupleGetItem) and int(expression.index) == 0:
            # Of the results of batch norm only the first one is read in inference.
            return self.meaning(expression.tuple_value)
        handler = self.handlers.get(expression.op.name) if hasattr(expression, "op") else None
        meaning = handler(self, expression) if handler else None
        return self.fallback(expression) if meaning is None else meaning

    # What expressions mean.

    def meaning(self, expression: Any) -> Meaning:
        if isinstance(expression, relax.Var):
            return self.meanings[expression]
        return np.asarray(expression.value.numpy())

    def value(self, expression: Any) -> str:
        """The name of a value, made now if it was only noted down."""
        meaning = self.meaning(expression)
        if isinstance(meaning, str):
            return meaning
        if isinstance(meaning, Flattened):
            name = self.fallback(meaning.call)
            self.meanings[expression] = name
            return name
        raise ModelError("The output of the model, or of one operator, is constant.")

    def constant(self, expression: Any) -> FloatArray | None:
        """A constant in real numbers, None for anything else."""
        if not isinstance(expression, (relax.Var, GenericConst)):
            return None
        meaning = self.meaning(expression)
        if isinstance(meaning, QuantizedConstant):
            return meaning.real()
        return meaning.astype(np.float32) if isinstance(meaning, np.ndarray) else None

    def is_feature_map(self, expression: Any) -> bool:
        """Whether this is a computed (N, C, H, W) or (N, C) tensor that kernels can read."""
        if not isinstance(expression, relax.Var) or self.constant(expression) is not None:
            return False
        return len(shape_of(expression)) in (2, 4)

    # Making nodes.

    def emit(
        self, operator: Operator, inputs: tuple[str, ...], shape: tuple[int, ...], *steps: Step
    ) -> str:
        name = f"v{len(self.graph.values)}"
        last = steps[-1] if steps else None
        quantization = last.quantization if isinstance(last, Requantize) else None
        self.graph.values[name] = Value(name, shape, quantization)
        origins = (self.origin,) if self.origin else ()
        self.graph.nodes.append(Node(operator, inputs, name, steps, origins))
        return name

    def fallback(self, call: Any) -> str:
        """Leave `call` to TVM. Its arguments become float32 in the layout of the model."""
        if not hasattr(call, "op") or not hasattr(call.ty, "shape"):
            name = getattr(getattr(call, "op", call), "name", type(call).__name__)
            raise ModelError(f'The operator "{name}" of the model is not supported.')
        function = None
        arguments = list(call.args)
        if call.op.name == "relax.call_tir":
            function, arguments = self.module[call.args[0]], list(call.args[1].fields)
        resolved = tuple(self.argument(argument) for argument in arguments)
        return self.emit(Fallback(call, resolved, function), _values(resolved), shape_of(call))

    def argument(self, expression: Any) -> Any:
        """An argument of a fallback, see there."""
        if isinstance(expression, relax.Tuple):
            return tuple(self.argument(field) for field in expression.fields)
        if not isinstance(expression, relax.Var):
            return expression
        meaning = self.meaning(expression)
        if isinstance(meaning, QuantizedConstant):
            meaning = meaning.real()
        if isinstance(meaning, np.ndarray):
            return relax.const(np.ascontiguousarray(meaning))
        return Argument(self.real(self.value(expression)), shape_of(expression))

    def real(self, name: str) -> str:
        """The value itself, or a float32 copy of one that is stored as uint8."""
        value = self.graph.values[name]
        if value.quantization is None:
            return name
        return self.emit(Identity(), (name,), value.shape)

    def step(self, call: Any, *steps: Step) -> Meaning | None:
        if not self.is_feature_map(call.args[0]):
            return None
        return self.emit(Identity(), (self.value(call.args[0]),), shape_of(call), *steps)


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
