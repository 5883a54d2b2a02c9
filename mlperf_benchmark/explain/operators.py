"""The names by which layers of different variants and backends are matched."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mlperf_benchmark.core.layer_profile import CONVERSION, ELEMENTWISE, Layer

# Operators that do all the work of a module in an exported graph; the module's name says more.
OF_MODULES = re.compile(
    r"(AveragePool|BatchNormalization|Clip|Conv|ConvTranspose|Gemm|GlobalAveragePool|HardSigmoid"
    r"|HardSwish|MatMul|MaxPool|Relu|Sigmoid|Softmax)"
)


RUNTIMES: Mapping[str, str] = MappingProxyType(
    {CONVERSION: "(layout and precision)", ELEMENTWISE: "(normalisation)"}
)
"""Kinds of layers that runtimes and backends add; the second includes quantizing the input."""


def module_name(operator: str) -> str:
    """Return the module's name: "layer1.0.conv1" for torch's "/layer1/layer1.0/conv1/Conv".

    Names of other forms are returned unchanged.
    """
    if not operator.startswith("/"):
        return operator
    *modules, last = operator.strip("/").split("/")
    path = ""
    for module in modules:
        # torch repeats the parent's name in the name of a list's element.
        parent = path.rpartition(".")[2]
        if parent and module.startswith(f"{parent}."):
            path = f"{path}{module.removeprefix(parent)}"
        else:
            path = f"{path}.{module}" if path else module
    if path and OF_MODULES.fullmatch(last):
        return path
    return f"{path}.{last}" if path else last


def operator_of(layer: Layer) -> str:
    """Return the name by which `layer` is matched: its first origin.

    Layers that the runtime added have no origin and are matched by their kind.
    """
    if layer.origins:
        return module_name(layer.origins[0])
    return RUNTIMES.get(layer.kind, f"({layer.kind})")


def fused(origins: Sequence[str]) -> list[str]:
    """Return the short names of the other operators that a layer computes."""
    return [module_name(origin) for origin in origins[1:]]
