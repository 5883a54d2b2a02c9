"""INT8 kernels that overflow on CPUs without VNNI."""

import openvino as ov

from mlperf_benchmark.models.files.int8_weights import are_clipped, cpu_clips


def can_overflow(model: ov.Model, flags: frozenset[str]) -> bool:
    """Whether sums of products may be clipped on a CPU with `flags`, at a loss of accuracy."""
    return cpu_clips(flags) and any(
        are_clipped(node.data)
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.i8
    )
