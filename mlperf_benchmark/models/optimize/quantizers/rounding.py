"""AdaRound: learn which way to round, https://arxiv.org/abs/2004.10568."""

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
    """The weights of a layer on their symmetric grids, whole multiples of one step a channel.

    `weight` is (outputs, inputs of a group), `rows` (groups, rows, inputs of a group) what the
    layer reads. A channel's step is its largest weight over `steps`; that weight stays as it is, on
    the grid or not, as the grid hangs on it. A channel whose outputs come out worse on `rows` than
    with weights rounded to nearest gets these.
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
    """`exact` rounded up or down."""
    floor = exact.floor()
    part = (exact - floor).clamp(0.01, 0.99)
    slope = torch.logit((part - SHIFT) / STRETCH).requires_grad_()
    # Layers read values of all sizes; the regulariser has one.
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
    """Mean square of what the outputs differ by, a channel."""
    return _outputs(weight - exact, rows).square().mean(1).flatten()


def _outputs(weight: Tensor, rows: Tensor) -> Tensor:
    """(groups, rows, outputs of a group) for weights (outputs, inputs of a group)."""
    groups = len(rows)
    return rows @ weight.reshape(groups, -1, weight.shape[1]).transpose(1, 2)
