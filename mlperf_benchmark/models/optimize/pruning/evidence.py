"""What pruning may use besides the weights: calibration images, and gradients computed
from them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.optimize.pruning.output_errors import OutputErrors

PORTION = 10
"""The number of images whose activations are kept at once to compute gradients."""

LABELS = "labels"
OWN_ANSWERS = "own answers"


class Evidence:
    """The unpruned module in evaluation mode and the calibration images.

    A batch is float32 (batch, 3, height, width), normalised as the module expects; `batches` can be
    iterated repeatedly. `labels` are the class indices of the images, or None if they are not
    known.
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
        """The targets of all gradients taken so far: "labels", "own answers", or both."""
        return tuple(sorted(self._answers))

    def portions(self, size: int = PORTION) -> Iterator[Tensor]:
        """Yield `size` images at a time. Raises UsageError if there are none."""
        empty = True
        for batch in self.batches:
            empty = False
            yield from torch.split(batch, size)
        if empty:
            raise UsageError("This way of pruning needs calibration images.")

    def losses(
        self, *, labelled: bool = True, portion: int = PORTION
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the cross entropy of each portion, summed over its images, and the images.

        The targets are the labels, if they are known and `labelled` is set, otherwise the classes
        that the module itself answers. The loss can be differentiated with respect to the images
        and the weights. Raises UsageError for labels that the module has no scores for.
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
        """The errors at the outputs without any channels, measured when this is first used."""
        return OutputErrors.measure(self.module, self.portions(), self.losses(labelled=False))


def _classes(labels: Sequence[int], count: int) -> Tensor:
    for label in (max(labels), min(labels)):
        if not 0 <= label < count:
            raise UsageError(
                f"A calibration image has the label {label}, but the model knows {count} classes,"
                " from 0. Give images without a label list, or those of the model's classes."
            )
    return torch.tensor(labels)
