"""The names by which layers of different variants and backends are matched."""

import re
from collections.abc import Sequence

from mlperf_benchmark.core.layer_profile import CONVERSION, Layer

# Operators that are a module's whole work in an exported graph, which the module names better.
OF_MODULES = re.compile(
    r"(AveragePool|BatchNormalization|Clip|Conv|ConvTranspose|Gemm|GlobalAveragePool|HardSigmoid"
    r"|HardSwish|MatMul|MaxPool|Relu|Sigmoid|Softmax)"
)


def module_name(operator: str) -> str:
    """ "layer1.0.conv1" of torch's "/layer1/layer1.0/conv1/Conv"; other names stay."""
    if not operator.startswith("/"):
        return operator
    *modules, last = operator.strip("/").split("/")
    path = ""
    for module in modules:
        # A child is named with its parent's name where that is a list.
        parent = path.rpartition(".")[2]
        if parent and module.startswith(f"{parent}."):
            path = f"{path}{module.removeprefix(parent)}"
        else:
            path = f"{path}.{module}" if path else module
    if path and OF_MODULES.fullmatch(last):
        return path
    return f"{path}.{last}" if path else last


def operator_of(layer: Layer) -> str:
    """What `layer` is matched by: its first origin; what the runtime put in, by what it is."""
    if layer.origins:
        return module_name(layer.origins[0])
    return "(layout and precision)" if layer.kind == CONVERSION else f"({layer.kind})"


def fused(origins: Sequence[str]) -> list[str]:
    """The other operators that a layer computes, by their short names."""
    return [module_name(origin) for origin in origins[1:]]
