"""What pruning may look at beside the weights: the calibration images, and gradients from them."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.optimize.pruning.output_errors import OutputErrors

PORTION = 10
"""Images whose activations are kept at once for their gradients."""

LABELS = "labels"
OWN_ANSWERS = "own answers"


class Evidence:
    """The unpruned module in evaluation mode and the calibration images.

    A batch is float32 (batch, 3, height, width), normalised as the module expects; `batches` can
    be gone through as often as wanted. `labels` are the class indices of the images, None where
    they are not known.
    """

    def __init__(
        self, module: nn.Module, batches: Iterable[Tensor], labels: Sequence[int] | None
    ) -> None:
        self.module = module
        self.batches = batches
        self._labels = labels
        self._answers: set[str] = set()

    @property
    def gradients_from(self) -> tuple[str, ...]:
        """What gradients were taken towards until now: "labels", "own answers", or both."""
        return tuple(sorted(self._answers))

    def portions(self, size: int = PORTION) -> Iterator[Tensor]:
        """`size` images at a time. Raises UsageError where there are none."""
        empty = True
        for batch in self.batches:
            empty = False
            yield from torch.split(batch, size)
        if empty:
            raise UsageError("This way of pruning needs calibration images.")

    def losses(
        self, *, labelled: bool = True, portion: int = PORTION
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the cross entropy of a portion, summed over its images, and these.

        It is that with the labels, where they are known and `labelled`, or else with the classes
        that the module itself answers. It can be differentiated by the images and the weights.
        Raises UsageError for labels that the module has no scores for.
        """
        first = 0
        known = self._labels if labelled else None
        self._answers.add(OWN_ANSWERS if known is None else LABELS)
        for images in self.portions(portion):
            leaf = images.detach().requires_grad_()
            scores = self.module(leaf)
            if known is None:
                wanted = scores.detach().argmax(1)
            else:
                wanted = _classes(known[first : first + len(images)], scores.shape[1])
            first += len(images)
            yield functional.cross_entropy(scores, wanted, reduction="sum"), leaf

    @cached_property
    def output_errors(self) -> OutputErrors:
        """What the outputs lose with any channels. Taken from the module as it is at first use."""
        return OutputErrors.measure(self.module, self.portions(), self.losses(labelled=False))


def _classes(labels: Sequence[int], count: int) -> Tensor:
    if max(labels) >= count:
        raise UsageError(
            f"A calibration image has the label {max(labels)}, but the model knows {count} classes,"
            " from 0. Give images without a label list, or those of the model's classes."
        )
    return torch.tensor(labels)
