"""An additive network: a subnet for every column, evaluated at knots, and a free part at each; grids for pairs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HIDDEN = 12
"""Units of a subnet (assumed: what is not smooth is left to the free part)."""


PAIRS = 2.0
"""Penalty of pairs, in that of columns. On training parts of public tables, whole fits scored on a quarter that they
had not seen, 2 with twice the cells (`ROWS_A_CELL` of the family) was better than 5 on titanic (area under the curve,
three parts: .846 after .841), bike_hour (R² .922 after .915) and california_housing (.804 after .802), the same within
.001 on telco_churn and adult, and worse by .003 on heart_cleveland (measured)."""


class AdditiveNetwork(nn.Module):
    """Scores as a sum of effects of columns and of pairs of columns (GAMI-Net, Yang et al. 2021, arXiv 2003.07132).

    The network is evaluated at the knots of the columns (`annvil.preparation.knots`), not at rows; a row looks up where
    it lies. The effect of a column is that of its subnet (one hidden layer) plus ``basis @ free``: with ``basis`` a
    root of a covariance between knots, decaying ``free`` is a penalty on rough effects. A monotone column has no
    subnet, and a basis of cumulative sums of steps that cannot be negative (softplus). The effect of a pair is ``basis
    free basis'`` on a grid of the coarse knots.

    Parameters
    ----------
    points : of the knots of numbers for their subnets ``(numbers, slots)``, about standardised; 0 where there is none
    has_curve : 1.0 where the subnet is added ``(numbers, slots)``
    basis : ``(numbers, slots, slots)``; of a monotone column the sums
    is_step : 1.0 where the free part must not be negative ``(numbers, slots)``, or None
    level_scale : of the levels of all categories end to end ``(levels,)``: what multiplies their free part
    first : where the slots of each column begin, int64 ``(columns,)``: numbers' first, then levels
    pair_basis : of the coarse slots ``(columns, coarse, coarse)``
    pairs : columns of each pair, int64 ``(pairs, 2)``
    bias : initial scores ``(scores,)``
    is_binary : whether the one score is that of the second of two classes

    Shape: fine places int64 and shares float32, coarse ones likewise, all ``(batch, columns)`` → ``(batch, outputs)``.
    """

    points: Tensor
    has_curve: Tensor
    basis: Tensor
    is_step: Tensor
    level_scale: Tensor
    first: Tensor
    pair_basis: Tensor
    pairs: Tensor

    def __init__(
        self,
        points: Tensor,
        has_curve: Tensor,
        basis: Tensor,
        is_step: Tensor | None,
        level_scale: Tensor,
        first: Tensor,
        pair_basis: Tensor,
        pairs: Tensor,
        bias: Tensor,
        generator: torch.Generator,
        *,
        is_binary: bool,
    ) -> None:
        super().__init__()
        (columns, slots), scores = points.shape, len(bias)
        self.is_binary, self.is_monotone = is_binary, is_step is not None
        buffers = {"points": points, "has_curve": has_curve, "basis": basis, "level_scale": level_scale}
        buffers |= {"first": first, "pair_basis": pair_basis, "pairs": pairs}
        for name, value in buffers.items():
            self.register_buffer(name, value)
        if is_step is not None:
            self.register_buffer("is_step", is_step)
        self.bias = nn.Parameter(bias.clone())
        self.levels = nn.Parameter(torch.zeros(len(level_scale), scores))
        self.free = nn.Parameter(torch.zeros(columns, slots, scores))
        bends = torch.rand(columns, 1, HIDDEN, generator=generator) * 4 - 2  # where units bend, among the points
        self.slope = nn.Parameter(torch.randn(columns, 1, HIDDEN, generator=generator) * 2)
        self.shift = nn.Parameter(-bends * self.slope.detach())
        self.weight = nn.Parameter(torch.zeros(columns, HIDDEN, scores))
        coarse = pair_basis.shape[1]
        self.grid = nn.Parameter(torch.zeros(len(pairs), coarse, coarse, scores)) if len(pairs) else None

    def effects(self) -> Tensor:
        """Of the columns at their slots end to end, ``(slots of all, scores)``."""
        free: Tensor = self.free
        if self.is_monotone:
            steps = self.is_step.unsqueeze(-1)
            free = free * (1 - steps) + nn.functional.softplus(free - 2) * steps
        hidden = torch.tanh(self.points.unsqueeze(-1) * self.slope + self.shift)
        numbers = self.basis @ free + (hidden @ self.weight) * self.has_curve.unsqueeze(-1)
        return torch.cat([numbers.flatten(0, 1), self.levels * self.level_scale.unsqueeze(-1)])

    def interactions(self) -> Tensor:
        """Of the pairs at their coarse slots, ``(pairs, coarse, coarse, scores)``."""
        assert self.grid is not None
        n_pairs, coarse, _, scores = self.grid.shape
        left, right = (self.pair_basis.index_select(0, self.pairs[:, side]) for side in (0, 1))
        rows = (left @ self.grid.reshape(n_pairs, coarse, coarse * scores)).reshape(n_pairs, coarse, coarse, scores)
        turned = rows.transpose(1, 2).reshape(n_pairs, coarse, coarse * scores)
        return (right @ turned).reshape(n_pairs, coarse, coarse, scores).transpose(1, 2)

    def forward(self, fine: Tensor, share: Tensor, coarse: Tensor, coarse_share: Tensor) -> Tensor:
        place = fine + self.first
        indices = [place, place + 1]
        weights = [1 - share, share]
        tables = [self.effects()]
        if self.grid is not None:
            width = self.grid.shape[1]
            start = tables[0].shape[0] + torch.arange(len(self.grid), device=fine.device) * width * width
            (a, b), (u, v) = (
                (x.index_select(1, self.pairs[:, 0]), x.index_select(1, self.pairs[:, 1]))
                for x in (coarse, coarse_share)
            )
            corner = a * width + b + start
            indices += [corner, corner + 1, corner + width, corner + width + 1]
            weights += [(1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v]
            tables.append(self.interactions().flatten(0, 2))
        # Past the last slot lie places that are only ever looked up with a share of 0.
        spare = torch.zeros(1 if self.grid is None else self.grid.shape[1] + 2, self.bias.shape[0])
        table = torch.cat([*tables, spare.to(self.bias.dtype)])
        found = nn.functional.embedding(torch.cat(indices, 1), table)  # (batch, places, scores)
        scores = (found * torch.cat(weights, 1).unsqueeze(-1)).sum(1) + self.bias
        return torch.cat([torch.zeros_like(scores), scores], -1) if self.is_binary else scores

    def examples(self) -> tuple[Tensor, ...]:
        """One row of what `forward` takes."""
        place, share = torch.zeros(1, len(self.first), dtype=torch.int64), torch.zeros(1, len(self.first))
        return place, share, place, share

    def parameter_groups(self) -> dict[str, tuple[float, float]]:
        """Factors of the learning rate and the weight decay: the bias does not decay, nor where units bend."""
        groups = {
            "bias": (1.0, 0.0),
            "slope": (0.3, 0.0),
            "shift": (0.3, 0.0),
            "weight": (0.3, 1.0),
            "levels": (1.0, 1.0),
        }
        return groups | ({} if self.grid is None else {"grid": (1.0, PAIRS)})
