"""Makes TVM's ONNX importer keep the names of operators, and what can be merged into others."""

import math
from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any

from tvm import relax
from tvm.ir import TupleGetItem
from tvm.relax.frontend.onnx.onnx_frontend import ONNXGraphImporter

# These change only how a value is stored, which belongs to another operator.
SILENT = frozenset({"QuantizeLinear", "DequantizeLinear"})

PAIRWISE: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {"Max": relax.op.maximum, "Min": relax.op.minimum, "Sum": relax.op.add}
)
"""Of two inputs; the importer would make one tensor of any number and reduce that."""


class NamingImporter(ONNXGraphImporter):  # type: ignore[misc]  # TVM has no types here
    """Binds each operator's result to a variable; `origins` maps variables to operators."""

    def __init__(self, shapes: dict[str, list[int]], dtype: str) -> None:
        super().__init__(shapes, dtype)
        self.origins: dict[str, str] = {}

    def _convert_operator(
        self, op_name: str, inputs: list[Any], attrs: dict[str, Any], opset: int
    ) -> Any:
        result = self._simple(op_name, inputs, attrs)
        if result is None:
            result = super()._convert_operator(op_name, inputs, attrs, opset)
        name = attrs["tvm_custom"]["name"]
        if op_name in SILENT or not name:
            return result
        if isinstance(result, relax.Tuple):
            # Normalisation returns its result and statistics that are not read.
            first, *others = result.fields
            return relax.Tuple([self._bound(first, name), *others])
        return self._bound(result, name)

    def _simple(self, op_name: str, inputs: list[Any], attrs: dict[str, Any]) -> Any | None:
        """Return some operators as simpler ones than the importer makes of them."""
        if op_name in PAIRWISE and all(_is_float(one.ty) for one in inputs):
            return reduce(lambda one, other: self.bb.emit(PAIRWISE[op_name](one, other)), inputs)
        if op_name == "Clip" and len(inputs) == 1:
            # Before opset 11, the limits are attributes, and the importer hides them in functions.
            limits = (attrs.get("min", -math.inf), attrs.get("max", math.inf))
            return self.bb.normalize(relax.op.clip(inputs[0], *map(relax.prim_value, limits)))
        return None

    def _bound(self, result: Any, name: str) -> Any:
        if not _is_float(getattr(result, "ty", None)):
            return result
        if isinstance(result, (relax.Call, TupleGetItem)):
            result = self.bb.emit(result)
        if isinstance(result, relax.Var):
            # An input that is only passed on belongs to the operator that computed it.
            self.origins.setdefault(str(result.name), name)
        return result


def _is_float(ty: Any) -> bool:
    """Whether this is the type of a float32 tensor, or of several, as a split returns."""
    if isinstance(ty, relax.TupleType):
        return all(_is_float(part) for part in ty.fields)
    return isinstance(ty, relax.TensorType) and str(ty.dtype) == "float32"
