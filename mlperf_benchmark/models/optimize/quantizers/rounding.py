"""AdaRound: learns whether to round weights up or down, https://arxiv.org/abs/2004.10568."""

import math

import torch
from torch import Tensor

ITERATIONS = 250
BATCH = 256
LEARNING_RATE = 0.05
# The paper's: the rectified sigmoid, the weight of the regulariser, its exponent's way down, and
# the part at the start without it.
STRETCH, SHIFT = 1.2, -0.1
REGULARISER = 0.01
EXPONENTS = (20.0, 2.0)
WARM_UP = 0.2


def learn_rounding(weight: Tensor, rows: Tensor, steps: float, *, seed: int) -> Tensor:
    """Return a layer's weights rounded to multiples of one step per channel.

    `weight` is (outputs, inputs of a group); `rows`, (groups, rows, inputs of a group), is what the
    layer reads. A channel's step is its largest weight divided by `steps`; that weight is not
    rounded, because it determines the grid. A channel keeps weights rounded to nearest if the
    learned ones give a larger error on `rows`.
    """
    step = weight.abs().amax(1, keepdim=True).clamp(min=1e-12) / steps
    exact = weight / step
    highest = math.floor(steps)
    is_largest = exact.abs() > steps - 1e-3
    nearest = torch.where(is_largest, exact, exact.round().clamp(-highest, highest))
    learned = _learn(exact, rows, seed).clamp(-highest, highest)
    learned = torch.where(is_largest, exact, learned)
    better = _error(learned, exact, rows) < _error(nearest, exact, rows)
    return torch.where(better[:, None], learned, nearest) * step


def _learn(exact: Tensor, rows: Tensor, seed: int) -> Tensor:
    """Return `exact` with each value rounded up or down."""
    floor = exact.floor()
    part = (exact - floor).clamp(0.01, 0.99)
    slope = torch.logit((part - SHIFT) / STRETCH).requires_grad_()
    # Layers read values of very different sizes, but the regulariser has only one size.
    scale = rows.square().mean((1, 2), keepdim=True).sqrt().clamp(min=1e-12)
    rows = rows / scale
    optimizer = torch.optim.Adam([slope], lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(seed)
    for iteration in range(ITERATIONS):
        up = (torch.sigmoid(slope) * STRETCH + SHIFT).clamp(0, 1)
        drawn = torch.randint(rows.shape[1], (min(BATCH, rows.shape[1]),), generator=generator)
        loss = _outputs(floor + up - exact, rows[:, drawn]).square().mean(1).sum()
        done = (iteration / ITERATIONS - WARM_UP) / (1 - WARM_UP)
        if done >= 0:
            exponent = EXPONENTS[0] + (EXPONENTS[1] - EXPONENTS[0]) * done
            loss = loss + REGULARISER * (1 - (2 * up - 1).abs().pow(exponent)).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        return floor + (torch.sigmoid(slope) * STRETCH + SHIFT > 0.5)


def _error(weight: Tensor, exact: Tensor, rows: Tensor) -> Tensor:
    """Return the mean squared error of each output channel."""
    return _outputs(weight - exact, rows).square().mean(1).flatten()


def _outputs(weight: Tensor, rows: Tensor) -> Tensor:
    """Return (groups, rows, outputs of a group) for weights (outputs, inputs of a group)."""
    groups = len(rows)
    return rows @ weight.reshape(groups, -1, weight.shape[1]).transpose(1, 2)
