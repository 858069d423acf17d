"""The gradient of what networks say on the straight way from a mean point to a row, written into a graph.

Integrated gradients (Sundararajan, Taly and Yan 2017, arXiv 1703.01365) are the integral of it along that way, which
whoever runs the graph adds up (`annvil.attribution.integrated_gradients`). The way lies in the space of prepared
columns: numbers, and the trained vectors of categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from annvil.models.gradients import ExplainedScore
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from annvil.models.networks.bag import NetworkBag
    from annvil.preparation import NetworkPreparation


class PathGradient(nn.Module):
    """Derivatives along the way, one share of it for each row.

    Parameters
    ----------
    bag : of networks that are `annvil.networks.embeddings.ColumnNetwork`
    score : what of their average is differentiated
    numbers, vectors : the mean point: float32 ``(d,)``, and for every network the embedded categories ``(width,)``
    spread, spread_codes : which source a prepared number, or a code, belongs to: 0 and 1, ``(d, n_columns)`` and
        ``(c, n_columns)``

    Shape: ``numbers (batch, d)``, ``codes (batch, c)``, ``share (batch, 1)`` → slopes float64 ``(batch, n_columns,
    n_explained)`` and scores float64 ``(batch, n_explained)``, both at ``mean + share * (row - mean)``.
    """

    def __init__(
        self,
        bag: NetworkBag,
        score: ExplainedScore,
        numbers: Tensor,
        vectors: Sequence[Tensor],
        spread: Tensor,
        spread_codes: Tensor,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(bag.networks)
        self.weights, self.target, self.explained = bag.weights, bag.target, score
        self.matrix, self.shift = torch.from_numpy(score.matrix), torch.from_numpy(score.shift)
        self.numbers, self.vectors = numbers, tuple(vectors)
        self.spread, self.spread_codes = spread, spread_codes

    def forward(self, numbers: Tensor, codes: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        ends = [numbers, *(network.categories(codes) for network in self.networks if network.n_codes)]  # type: ignore[operator]
        steps = [end - start for end, start in zip(ends, (self.numbers, *self.vectors), strict=True)]
        with torch.enable_grad():
            at = [(end - (1 - share) * step).requires_grad_() for end, step in zip(ends, steps, strict=True)]
            scores = self.scores(at[0], at[1:] or [codes] * len(self.networks))
            slopes = [self._slopes(scores[:, place], at, steps) for place in range(scores.shape[1])]
        return torch.stack(slopes, dim=2), scores.detach()

    def scores(self, numbers: Tensor, vectors: Sequence[Tensor]) -> Tensor:
        """What is explained, of prepared numbers and every network's embedded categories."""
        outputs: Tensor = torch.stack(
            [
                self._said(network(numbers, vector), weight)
                for network, weight, vector in zip(self.networks, self.weights, vectors, strict=True)
            ]
        ).sum(0)
        return self.explained.link.unlinked(outputs, self.explained.smallest) @ self.matrix + self.shift

    def _said(self, raw: Tensor, weight: float) -> Tensor:
        """The part of one network in the average, numbers held within the range of training as when it predicts."""
        said = raw.double() if self.target is not None else self.explained.link.tensor(raw.double())
        said = said.mean(1) if said.dim() == 3 else said
        if self.target is not None:
            said = (said * self.target.scale + self.target.mean).clamp(self.target.low, self.target.high)
        return weight * said

    def _slopes(self, score: Tensor, at: Sequence[Tensor], steps: Sequence[Tensor]) -> Tensor:
        """Of one score by source, ``(batch, n_columns)``."""
        found = torch.autograd.grad(score.sum(), at, retain_graph=True)
        parts = [(slope * step).double() for slope, step in zip(found, steps, strict=True)]
        total = parts[0] @ self.spread
        for part in parts[1:]:  # a category's vector counts as one
            total = total + part.reshape(len(part), len(self.spread_codes), -1).sum(2) @ self.spread_codes
        return total


def mean_point(
    preparation: NetworkPreparation, bag: NetworkBag, score: ExplainedScore, inputs: Any, shares: FloatArray | None
) -> tuple[tuple[str, ...], PathGradient]:
    """All columns, and the module for the mean point of ``inputs``.

    Rows count alike, or as ``shares`` say: float64 ``(n_rows,)`` that add up to 1. What comes of two columns, such as
    the days between two dates, counts for the first.
    """
    prepared = preparation.transform(inputs)
    counted = torch.from_numpy(np.full(inputs.n_rows, 1 / inputs.n_rows) if shares is None else shares).float()
    sources, coded = [feature.source for feature in preparation.features], preparation.code_sources
    columns = tuple(field.name for field in preparation.schema)
    with torch.no_grad():
        numbers = counted @ torch.from_numpy(prepared.numbers)
        codes = torch.from_numpy(prepared.codes)
        vectors = [counted @ one.categories(codes) for one in bag.networks if one.n_codes]  # type: ignore[operator]
    spread, spread_codes = (_belongs(names, columns) for names in (sources, coded))
    return columns, PathGradient(bag, score, numbers, vectors, spread, spread_codes)


def _belongs(sources: Sequence[str], columns: Sequence[str]) -> Tensor:
    """1 where a source is a column, float64 ``(n_sources, n_columns)``."""
    same = [[source == name for name in columns] for source in sources]
    return torch.tensor(same, dtype=torch.float64).reshape(len(sources), len(columns))


def slopes_at(
    module: PathGradient, prepared: tuple[Tensor, Tensor], shares: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Slopes and scores of prepared rows, a share ``(n_rows,)`` for each."""
    slopes, scores = module(*prepared, torch.from_numpy(shares[:, None]).float())
    return slopes.detach().numpy(), scores.numpy()


def write_gradient(graph: Graph, module: PathGradient, share: Value, *prepared: Value) -> tuple[Value, Value]:
    """Add the module's slopes and scores to a graph; their names."""
    from annvil.onnx.export import export_module

    examples = (*module.networks[0].examples(), torch.ones(1, 1))  # type: ignore[operator]
    slopes, scores = export_module(graph, module, *prepared, share, examples=examples, differentiates=True)
    return slopes, scores
