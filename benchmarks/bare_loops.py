"""What each runtime reaches without LoadGen and the harness; prints one figure.

Keeps the harness's conditions: uint8 NHWC samples in turn, the normalisation in the graph, a
warm-up, all cores. It calls the runtime itself, by its plainest loop.

    python3 -m benchmarks.bare_loops latency|throughput PROFILE MODEL SECONDS [BATCH]

`latency` is the median of an image in milliseconds, `throughput` images a second.
"""

import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from backend import BackendConfig
from dataset import DATASETS
from mlperf_benchmark.core.cpus import usable_cores
from mlperf_benchmark.core.image_format import Images
from profiles import profile

SAMPLES = 1024
WARM_UP = 10

Infer = Callable[[Images], object]
Maker = Callable[[BackendConfig, int], Sequence[Infer]]
"""Makes what infers a batch, for as many callers as it gets a number."""


def openvino(config: BackendConfig, callers: int) -> Sequence[Infer]:
    import openvino as ov  # noqa: PLC0415

    from mlperf_benchmark.openvino_model.graph import fit  # noqa: PLC0415
    from mlperf_benchmark.openvino_model.reading import read_model  # noqa: PLC0415

    assert config.model is not None
    fitted = fit(read_model(config.model, config.cache_dir), config)
    properties = {
        "PERFORMANCE_HINT": config.goal.upper(),
        "INFERENCE_PRECISION_HINT": config.precision,
    }
    compiled = ov.Core().compile_model(fitted.model, "CPU", properties)

    def infer(request: ov.InferRequest, images: Images) -> None:
        request.set_input_tensor(ov.Tensor(images, shared_memory=True))
        request.infer()

    return [partial(infer, compiled.create_infer_request()) for _ in range(callers)]


def onnxruntime(config: BackendConfig, callers: int) -> Sequence[Infer]:
    import onnxruntime as ort  # noqa: PLC0415

    from mlperf_benchmark.core.onnx_reading import read_onnx  # noqa: PLC0415
    from mlperf_benchmark.onnxruntime_model.graph import IMAGES, fit  # noqa: PLC0415

    assert config.model is not None
    model = read_onnx(config.model)
    fit(model, config)
    options = ort.SessionOptions()
    options.intra_op_num_threads = usable_cores() if callers == 1 else 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [lambda images: session.run(None, {IMAGES: images})] * callers


def torch_eager(config: BackendConfig, callers: int) -> Sequence[Infer]:
    return [_torch(config, compiled=False)] * callers


def torch_compiled(config: BackendConfig, callers: int) -> Sequence[Infer]:
    return [_torch(config, compiled=True)] * callers


def _torch(config: BackendConfig, *, compiled: bool) -> Infer:
    import torch  # noqa: PLC0415

    from mlperf_benchmark.models.files.ports import image_layout  # noqa: PLC0415
    from mlperf_benchmark.torch_model.loading import load_module  # noqa: PLC0415
    from mlperf_benchmark.torch_model.normalising import Normalising  # noqa: PLC0415

    assert config.model is not None
    torch.set_num_threads(usable_cores())
    loaded = load_module(config.model)
    module = Normalising(loaded.module, config.image, image_layout(loaded.ports[0]), loaded.kind)
    network = torch.compile(module, dynamic=False, options={"freezing": True})
    run = network if compiled else module

    def infer(images: Images) -> object:
        with torch.inference_mode():
            return run(torch.from_numpy(images)).numpy()

    return infer


MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        "openvino": openvino,
        "onnxruntime": onnxruntime,
        "torch": torch_eager,
        "inductor": torch_compiled,
    }
)
SIDE_BY_SIDE = ("openvino", "onnxruntime")
"""Whose throughput comes from several callers at a time, one a core."""


def latency(config: BackendConfig, make: Maker, samples: Images, seconds: float) -> float:
    """Median of one image, in milliseconds."""
    [infer] = make(config, 1)
    times = []
    end = time.perf_counter() + seconds
    for number in range(sys.maxsize):
        place = number % SAMPLES
        start = time.perf_counter()
        infer(samples[place : place + 1])
        times.append(time.perf_counter() - start)
        # The warm-up is not counted.
        if time.perf_counter() > end and number > WARM_UP:
            break
    return statistics.median(times[WARM_UP:]) * 1000


def throughput(
    config: BackendConfig, make: Maker, samples: Images, seconds: float, callers: int
) -> float:
    """Images a second of `callers` threads, in batches of the size of `config`."""
    size = config.max_batch_size or 1
    infers = make(config, callers)
    for infer in infers:
        for _ in range(WARM_UP):
            infer(samples[:size])
    done = [0] * callers
    start = time.perf_counter()

    def work(caller: int) -> None:
        while time.perf_counter() - start < seconds:
            place = done[caller] % (SAMPLES - size)
            infers[caller](samples[place : place + size])
            done[caller] += size

    # A runtime may be quick only in the thread that loaded the model, which is one of the callers.
    threads = [threading.Thread(target=work, args=(caller,)) for caller in range(1, callers)]
    for thread in threads:
        thread.start()
    work(0)
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - start)


def main() -> None:
    what, name, model, seconds, *batch = sys.argv[1:]
    chosen = profile(name)
    image = DATASETS.load(chosen.dataset).image
    samples = np.random.default_rng(0).integers(
        0, 256, (SAMPLES, image.height, image.width, 3), dtype=np.uint8
    )
    config = BackendConfig(
        Path(model),
        image,
        goal="latency" if what == "latency" else "throughput",
        max_batch_size=int(batch[0]) if batch else None,
        precision=chosen.precision,
    )
    make = MAKERS[chosen.backend]
    if what == "latency":
        print(latency(config, make, samples, float(seconds)))
    else:
        callers = usable_cores() if chosen.backend in SIDE_BY_SIDE else 1
        print(throughput(config, make, samples, float(seconds), callers))


if __name__ == "__main__":
    main()
