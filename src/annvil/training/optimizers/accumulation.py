"""One update from several steps, and from several processes: the gradient of all their rows together."""

from __future__ import annotations

import torch
from torch import Tensor


class Updates:
    """Which steps of an epoch make an update together.

    Groups of ``accumulate`` steps: where steps are equal, so are groups (give or take one); where they are exact, the
    last group of an epoch holds what is left, as in a loop by hand.

    ``ends[step]`` says whether the step ends a group, ``before[step]`` how many updates the epoch has made before it;
    ``count`` is how many it makes.
    """

    def __init__(self, steps: int, accumulate: int, exact: bool) -> None:
        self.count = -(-steps // accumulate)
        last = {min(steps, accumulate * (i + 1)) if exact else steps * (i + 1) // self.count for i in range(self.count)}
        self.ends = tuple(step + 1 in last for step in range(steps))
        self.before = tuple(sum(self.ends[:step]) for step in range(steps + 1))
        self.groups = torch.tensor(self.before[:-1])

    def whole(self, steps: int) -> int:
        """The least number of steps from ``steps`` on with which an update ends."""
        while steps and not self.ends[steps - 1]:
            steps += 1
        return steps


def shares_of(updates: Updates, weights: Tensor, order: Tensor, row_weights: Tensor | None) -> Tensor:
    """What every step is worth within its update, ``(steps, members)``: the sums of its rows' own weights, normalised.

    ``weights (steps, members, batch)`` are those of the steps, each summing to 1.
    """
    real = weights.flatten(2) > 0
    rows = real if row_weights is None else row_weights[order.long()].flatten(2) * real
    totals = rows.sum(-1).float()
    groups = torch.zeros(updates.count, totals.shape[1]).index_add_(0, updates.groups, totals)
    return totals / groups[updates.groups].clamp(min=1e-30)


def local(weights: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of a step's rows in this process ``(members, rows, ...)``, summing to 1 again, and their shares."""
    sums = weights.flatten(1).sum(1)
    scale = sums.clamp(min=1e-30).view(-1, *[1] * (weights.dim() - 1))
    return weights / scale, shares * sums
