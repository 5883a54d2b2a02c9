"""The time of each layer that OpenVINO executes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov

from mlperf_benchmark.core.image_format import Images
from mlperf_benchmark.core.layer_profile import Profile
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.openvino_model.executed_layers import executed_layers
from mlperf_benchmark.openvino_model.graph import FittedModel

WARM_UP = 3
"""The first inferences take up to twice as long."""

MICROSECOND = 1e-6


def profile(
    fitted: FittedModel, device: str, properties: Mapping[str, Any], images: Images, inferences: int
) -> Profile:
    """The mean of `inferences` of the `fitted` model, compiled anew with counters.

    OpenVINO keeps one sum a layer since the model was compiled, so that a mean is all it tells.
    """
    compiled = ov.Core().compile_model(fitted.model, device, {**properties, "PERF_COUNT": True})
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(images, shared_memory=True))
    for _ in range(WARM_UP):
        request.infer()
    before = _sums(request, WARM_UP)
    for _ in range(inferences):
        request.infer()
    after = _sums(request, WARM_UP + inferences)
    runtime = compiled.get_runtime_model()
    every = executed_layers(runtime, fitted.model, fitted.operators)
    layers = [layer for layer in every if layer.name in after]
    # Cut off twice, the sums of a layer of less than a microsecond may even fall.
    means = [max(after[one.name] - before.get(one.name, 0.0), 0.0) / inferences for one in layers]
    return Profile(tuple(layers), np.array([means]), _drawing(runtime))


def _sums(request: Any, count: int) -> dict[str, float]:
    """Seconds of all of so many inferences by the layer's name.

    OpenVINO cuts each time to whole microseconds, and their mean again (perf_count.h of its CPU
    plugin): half a microsecond each, on average.
    """
    return {
        info.node_name: count * info.real_time.total_seconds()
        + (count + (count - 1)) / 2 * MICROSECOND
        for info in request.profiling_info
        if info.status == ov.ProfilingInfo.Status.EXECUTED
    }


def _drawing(runtime: ov.Model) -> tuple[tuple[str, bytes], ...]:
    with scratch_folder("openvino") as folder:
        xml = folder / "executed.xml"
        ov.serialize(runtime, xml)
        return ((xml.name, xml.read_bytes()),)
