"""Trains a pruned module to give the same answers as the unpruned one."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlperf_benchmark.models.optimize.config import TrainingConfig

BATCH_NORM_MOMENTUM = 0.1
"""The statistics of a pruned module must adapt, even if the original's were to change slowly."""

VECTOR = 16
"""The number of float32 values in an AVX-512 register."""


class DivergedError(ArithmeticError):
    """The training produced values that are not finite; the message says which."""


class Distillation:
    """Knowledge distillation, https://arxiv.org/abs/1503.02531, without labels.

    Teacher and student see the same crop, https://arxiv.org/abs/2106.05237. An epoch depends on
    nothing but the state that `state` returns, the batches and the seed.
    """

    def __init__(
        self, student: nn.Module, teacher: nn.Module, config: TrainingConfig, device: str
    ) -> None:
        self._config = config
        self._device = torch.device(device)
        self._layout = _layout(student)
        for module in (student, teacher):
            module.to(self._device).to(memory_format=self._layout)  # type: ignore[call-overload]
        self._student = student
        self._teacher = teacher.eval()
        for layer in student.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = BATCH_NORM_MOMENTUM
        self._optimizer = torch.optim.AdamW(
            student.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def run_epoch(
        self,
        epoch: int,
        batches: Iterable[Tensor],
        *,
        batch_count: int,
        seed: int,
        progress: Callable[[float], None],
    ) -> float:
        """Train on normalised float32 batches (batch, 3, height, width); return the mean loss.

        `epoch` counts from 0; `progress` is called with each batch's loss. Raises
        DivergedError at the first that is not a number.
        """
        torch.manual_seed(seed + epoch)
        self._student.train()
        losses = []
        for number, batch in enumerate(batches):
            part = (epoch + number / batch_count) / self._config.epochs
            for group in self._optimizer.param_groups:
                group["lr"] = self._config.learning_rate * (1 + math.cos(math.pi * part)) / 2
            losses.append(self._step(batch))
            if not math.isfinite(losses[-1]):
                raise DivergedError(f"where the loss of batch {number + 1} is {losses[-1]}")
            progress(losses[-1])
        self._student.eval()
        return math.fsum(losses) / len(losses)

    def _step(self, images: Tensor) -> float:
        temperature = self._config.temperature
        images = images.to(self._device, memory_format=self._layout)
        with torch.no_grad():
            wanted = functional.log_softmax(self._teacher(images) / temperature, dim=1)
        answer = functional.log_softmax(self._student(images) / temperature, dim=1)
        # The square keeps gradients independent of the temperature.
        loss = temperature**2 * functional.kl_div(
            answer, wanted, reduction="batchmean", log_target=True
        )
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()

    def state(self) -> dict[str, Any]:
        """Return what the next epoch needs besides the student's own state."""
        return self._optimizer.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self._optimizer.load_state_dict(state)


def _layout(module: nn.Module) -> torch.memory_format:
    """Return the faster memory format for convolutions, unless it would crash the process.

    In channels_last, oneDNN's gradient of a strided 1x1 convolution writes past its memory if there
    are fewer input channels than a vector holds,
    https://github.com/uxlfoundation/oneDNN/issues/6035.
    """
    for layer in module.modules():
        if (
            isinstance(layer, nn.Conv2d)
            and layer.kernel_size == (1, 1)
            and layer.stride != (1, 1)
            and layer.in_channels // layer.groups < VECTOR
        ):
            return torch.contiguous_format
    return torch.channels_last


def count_right(
    module: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: str
) -> tuple[int, int]:
    """Return the number of images whose highest score is the label's, and of all images."""
    module.eval()
    good = total = 0
    with torch.no_grad():
        for images, labels in batches:
            answers = module(images.to(device)).argmax(1).cpu()
            good += int((answers == labels).sum())
            total += len(labels)
    return good, total
