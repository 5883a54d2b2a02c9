"""PyTorch on the CPU: eager, or compiled by Inductor."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from backend import Backend, BackendConfig, BackendInfo
from mlperf_benchmark.core.cpus import usable_cores
from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.image_format import ImageFormat, Images, Scores, padded
from mlperf_benchmark.core.layer_profile import Profile
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.models.files.ports import (
    check_image_size,
    choose_input,
    class_count,
    image_batch,
    image_layout,
)
from mlperf_benchmark.torch_model.executed import executed_precision
from mlperf_benchmark.torch_model.loading import load_module
from mlperf_benchmark.torch_model.normalising import Normalising
from mlperf_benchmark.torch_model.profiling import profile

Compiled = Callable[[Tensor], Tensor]


class TorchBackend(Backend):
    """Runs the layers one by one, as `module(images)` does in Python.

    Reads checkpoints (.pt, .pth), whose architecture is ours, and exported programs (.pt2).
    Unpickling is part of reading a .pt2, so that it is code: load only what you trust. One
    inference uses all threads.

    Everything runs in one thread, whoever calls. OpenMP gives each thread that calls it workers of
    its own, and lets them sleep between two operators where there are more workers than cores: an
    inference of many small operators took twice as long in LoadGen's thread after one in another.
    """

    accepts = frozenset({"model", "threads", "inputs", "outputs", "data_format"})
    profiles = True
    name: ClassVar[str] = "torch"
    takes_any_batch: ClassVar[bool] = True

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.name)
        self._module: Compiled
        self._batch = 1
        self._pads = False
        self._takes_argmax = False

    def load(self) -> BackendInfo:
        return self._thread.submit(self._load).result()

    def predict(self, images: Images) -> Scores:
        return self._thread.submit(self._predict, images).result()

    def profile(self, images: Images, inferences: int) -> Profile:
        return self._thread.submit(self._profile, images, inferences).result()

    def close(self) -> None:
        self._thread.shutdown()

    def _load(self) -> BackendInfo:
        path = self.config.model
        if path is None:
            raise ModelError(f"The {self.name} backend needs a model: --model FILE.")
        threads = self.config.threads
        torch.set_num_threads(
            min(threads, len(os.sched_getaffinity(0))) if threads else usable_cores()
        )
        start = time.perf_counter()
        loaded = load_module(path)
        read_seconds = time.perf_counter() - start
        port = choose_input(loaded.ports, self.config.inputs)
        layout = image_layout(port, self.config.data_format)
        self._batch, fixed = image_batch(port, self.config.max_batch_size)
        self._pads = fixed or not self.takes_any_batch
        check_image_size(port, layout, self.config.image)
        module = Normalising(loaded.module, self.config.image, layout, loaded.kind)
        black = _black(self._batch, self.config.image)
        output = module.choose_output(black, loaded.outputs, self.config.outputs)
        precision = executed_precision(module, black)
        self._takes_argmax = output.takes_argmax
        classes = class_count(output, self._batch, False, self.config.any_classes)
        with torch.inference_mode():
            # Made in inference mode, as all that will come: Inductor compiles anew for others.
            images = _black(self._batch, self.config.image)
            start = time.perf_counter()
            self._module = self._compiled(module, images, path)
            compile_seconds = time.perf_counter() - start
        return BackendInfo(
            name=self.name,
            version=torch.__version__,
            input_name=port.names[0],
            output_name=output.names[0],
            data_format=layout,
            classes=classes,
            max_batch_size=self._batch,
            batch_is_fixed=fixed and self._batch > 1,
            requests=1,
            threads=torch.get_num_threads(),
            streams=1,
            executed_precision=precision,
            read_seconds=read_seconds,
            compile_seconds=compile_seconds,
        )

    def padding(self, count: int) -> int:
        return max(0, self._batch - count) if self._pads else 0

    def _predict(self, images: Images) -> Scores:
        batch = padded(images, len(images) + self.padding(len(images)))
        with torch.inference_mode():
            scores: Scores = self._module(torch.from_numpy(batch)).numpy()
        rows = scores[: len(images)].reshape(len(images), -1)
        return rows[:, 0] if self._takes_argmax else rows

    def _profile(self, images: Images, inferences: int) -> Profile:
        batch = padded(images, len(images) + self.padding(len(images)))
        assert isinstance(self._module, nn.Module)
        return profile(self._module, torch.from_numpy(batch), inferences)

    def _compiled(self, module: nn.Module, images: Tensor, path: Path) -> Compiled:
        """What infers; `images` is a full batch."""
        return module


class InductorBackend(TorchBackend):
    """Runs what torch.compile makes of the model: C++ of its own, built by the machine's compiler.

    Weights are constants (freezing). It is built for full batches; shorter ones are padded.
    """

    # What it compiles is one function, whose parts nobody times.
    profiles = False
    name = "inductor"
    takes_any_batch = False

    def _compiled(self, module: nn.Module, images: Tensor, path: Path) -> Compiled:
        # Another number of images or threads would be compiled in the middle of the run.
        compiled: Any = torch.compile(module, dynamic=False, options={"freezing": True})
        try:
            compiled(images)
        except Exception as error:
            raise ModelError(f"Inductor cannot compile {path}: {first_line(error)}") from error
        return compiled  # type: ignore[no-any-return]  # torch.compile has no types here


def _black(count: int, image: ImageFormat) -> Tensor:
    return torch.zeros((count, image.height, image.width, 3), dtype=torch.uint8)
