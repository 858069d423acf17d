"""The network of projections: a sum of smooth functions, each of one weighted sum of the numbers, beside offsets."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SMALLEST_VARIANCE = 1e-8
"""Added under the root of a contribution's variance, whose slope at 0 is infinite."""


class IndexNetwork(nn.Module):
    """Scores ``bias + sum_j f_j(x w_j) + others @ offsets``: an additive index model.

    Yang, Zhang & Sudjianto 2019 (arXiv 1901.03838), "SOSxNN".

    ``f_j(z) = lines_j z + sum_m heights_jm tanh(slopes_jm z + shifts_jm)``, one such combination for every score.

    Parameters
    ----------
    directions : the first w_j as columns ``(d, k)``, orthonormal; d leading numbers are projected
    n_others : numbers behind them, each with an offset of its own: indicators of levels, of missing values
    n_outputs : scores; of two classes the first is 0, so that one sum is learnt
    is_classification : whether scores are of classes
    generator : of the initial shapes
    penalties : of the sum of absolute weights, of the sum of the contributions' deviations, and of their roughness,
        the mean square second derivative; added to the loss in training
    units : tanh units of a shape

    Shape: ``numbers (batch, d + n_others)`` → ``(batch, n_outputs)``; in training also the penalty, a scalar.

    Departures from the paper: one layer of units instead of 10-6, with a straight line beside them, so that h'' needs
    no second pass; contributions are not normalised by the batch, but what the paper penalises then (|beta_j|) is their
    deviation, which is penalised here; several classes share projections and units, and have shapes of their own.
    """

    penalties: Tensor

    def __init__(
        self,
        directions: Tensor,
        n_others: int,
        n_outputs: int,
        is_classification: bool,
        generator: torch.Generator,
        *,
        penalties: tuple[float, float, float] = (0.0, 0.0, 0.0),
        units: int = 12,
    ) -> None:
        super().__init__()
        self.n_projected, k = directions.shape
        self.n_others, self.is_binary = n_others, is_classification and n_outputs == 2
        n_scores = 1 if self.is_binary else n_outputs
        self.directions = nn.Parameter(directions.clone())
        slopes = torch.randn(k, units, generator=generator)
        self.slopes = nn.Parameter(slopes)
        self.shifts = nn.Parameter(-1.5 * slopes * torch.randn(k, units, generator=generator))
        self.heights = nn.Parameter(0.3 * torch.randn(k, units, n_scores, generator=generator) / math.sqrt(units))
        self.lines = nn.Parameter(torch.zeros(k, n_scores))
        self.offsets = nn.Parameter(torch.zeros(n_others, n_scores)) if n_others else None
        self.bias = nn.Parameter(torch.zeros(n_scores))
        self.register_buffer("penalties", torch.tensor(penalties))

    def forward(self, numbers: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        z = numbers[:, : self.n_projected] @ self.directions
        units = torch.tanh(z.unsqueeze(-1) * self.slopes + self.shifts)
        shapes = self._shapes(z, units)
        scores = shapes.sum(1) + self.bias
        if self.offsets is not None:
            scores = scores + numbers[:, self.n_projected :] @ self.offsets
        if self.is_binary:
            scores = torch.cat([torch.zeros_like(scores), scores], 1)
        return (scores, self._penalty(shapes, units)) if self.training else scores

    def contributions(self, numbers: Tensor) -> Tensor:
        """What each projection, then each of the others, adds: ``(batch, k + n_others, n_scores)``."""
        z = numbers[:, : self.n_projected] @ self.directions
        shapes = self._shapes(z, torch.tanh(z.unsqueeze(-1) * self.slopes + self.shifts))
        if self.offsets is None:
            return shapes
        return torch.cat([shapes, numbers[:, self.n_projected :].unsqueeze(-1) * self.offsets], 1)

    def _shapes(self, z: Tensor, units: Tensor) -> Tensor:
        """``f_j``: ``(batch, k, n_scores)``."""
        return (units.unsqueeze(-1) * self.heights).sum(2) + z.unsqueeze(-1) * self.lines

    def _penalty(self, shapes: Tensor, units: Tensor) -> Tensor:
        deviations = (shapes.var(0, correction=0) + SMALLEST_VARIANCE).sqrt()
        bends = (self.slopes.square() * (units - units * units * units)).unsqueeze(-1)
        rough = 4 * (bends * self.heights).sum(2).square().mean(0)
        sparse, few, smooth = self.penalties.unbind()
        return sparse * self.directions.abs().sum() + few * deviations.sum() + smooth * rough.sum()

    @torch.no_grad()
    def rescaled(self, scale: float, shift: float) -> None:
        """Every score times ``scale`` plus ``shift`` from now on."""
        for weights in (self.heights, self.lines, self.bias, *([] if self.offsets is None else [self.offsets])):
            weights.mul_(scale)
        self.bias.add_(shift)

    def orthonormal_parameters(self) -> tuple[str, ...]:
        """The directions."""
        return ("directions",)

    def examples(self) -> tuple[Tensor]:
        """One row of what `forward` takes."""
        return (torch.zeros(1, self.n_projected + self.n_others, dtype=self.bias.dtype),)
