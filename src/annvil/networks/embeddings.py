"""From one number, or one category, to several: what lets a network treat columns in ways of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class PeriodicEmbedding(nn.Module):
    """PBLD: ``[x, W2 cos(2 pi (w1 x + b1)) + b2]`` for every column (RealMLP, Holzmüller et al. 2024, appendix A).

    ``frequencies`` cosines a column, ``size`` outputs of which one is x itself. Initialised as there: w1 ~ N(0,
    scale²), b1 ~ U(-pi, pi) in the argument of the cosine, W2 and b2 ~ U(±1/sqrt(frequencies)).
    Shape: ``(batch, columns)`` → ``(batch, columns * size)``: all x first, then the columns' ``size - 1`` others each.
    """

    def __init__(
        self, columns: int, generator: torch.Generator, *, frequencies: int = 16, size: int = 4, scale: float = 0.1
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(frequencies)
        self.frequency = nn.Parameter(torch.randn(columns, frequencies, generator=generator) * (2 * math.pi * scale))
        self.phase = nn.Parameter(_uniform((columns, frequencies), math.pi, generator))
        self.weight = nn.Parameter(_uniform((columns, frequencies, size - 1), bound, generator))
        self.bias = nn.Parameter(_uniform((columns, 1, size - 1), bound, generator))

    @property
    def width(self) -> int:
        """Outputs of all columns together."""
        return self.weight.shape[0] * (self.weight.shape[2] + 1)

    def spread(self, factors: Tensor) -> Tensor:
        """One number a column ``(…, columns)``, repeated over the column's outputs ``(…, width)``."""
        others = factors.repeat_interleave(self.weight.shape[2], dim=-1)
        return torch.cat([factors, others], dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        cosines = torch.cos(x.unsqueeze(-1) * self.frequency + self.phase)  # (batch, columns, frequencies)
        # Columns first, so that their small products are one batched product.
        others = torch.baddbmm(self.bias, cosines.transpose(0, 1), self.weight)  # (columns, batch, size - 1)
        return torch.cat([x, others.transpose(0, 1).flatten(1)], dim=-1)


class PiecewiseLinearEmbedding(nn.Module):
    """How far x has come through each of its bins, and a linear map of that for every column.

    Gorishniy et al. 2022 (arXiv 2203.05556), section 3.2, in the later "version B": ``x w + b + V e(x)`` with V
    starting at zero, so that it begins as a linear embedding and learns the steps. The first bin is open below, the
    last above. Shape: ``(batch, columns)`` → ``(batch, columns * size)``.
    """

    slope: Tensor
    shift: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, edges: Sequence[np.ndarray], generator: torch.Generator, *, size: int = 16) -> None:
        super().__init__()
        n_bins = max(1, max((len(edge) - 1 for edge in edges), default=1))
        tables = np.zeros((4, len(edges), n_bins), dtype=np.float32)  # slope, shift, low, high: 0 for bins not there
        for column, edge in enumerate(edges):
            _fill_bins(tables[:, column], np.asarray(edge, dtype=np.float64))
        for name, table in zip(("slope", "shift", "low", "high"), tables, strict=True):
            self.register_buffer(name, torch.from_numpy(table.copy()))
        self.linear = nn.Parameter(_uniform((len(edges), size), 1.0, generator))
        self.bias = nn.Parameter(_uniform((len(edges), 1, size), 1.0, generator))
        self.weight = nn.Parameter(torch.zeros(len(edges), n_bins, size))

    @property
    def width(self) -> int:
        """Outputs of all columns together."""
        return self.linear.numel()

    def spread(self, factors: Tensor) -> Tensor:
        """One number a column ``(…, columns)``, repeated over the column's outputs ``(…, width)``."""
        return factors.repeat_interleave(self.linear.shape[1], dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.addcmul(self.shift, x.unsqueeze(-1), self.slope)
        steps = torch.minimum(torch.maximum(steps, self.low), self.high)  # (batch, columns, bins)
        learnt = torch.baddbmm(self.bias, steps.transpose(0, 1), self.weight).transpose(0, 1)
        return (learnt + x.unsqueeze(-1) * self.linear).flatten(1)


NumberEmbedding = PeriodicEmbedding | PiecewiseLinearEmbedding


class CategoryEmbedding(nn.Module):
    """A trained vector for every level of every categorical column, all in one table.

    Shape: int64 ``(batch, columns)`` → ``(batch, columns * size)``; vectors of that shape, in place of codes, are
    returned as they are. Entries start as N(0, 1) / sqrt(size) (assumed).
    """

    first: Tensor

    def __init__(self, cardinalities: Sequence[int], generator: torch.Generator, *, size: int = 8) -> None:
        super().__init__()
        starts = np.concatenate([[0], np.cumsum(cardinalities)[:-1]]).astype(np.int64)
        self.register_buffer("first", torch.from_numpy(starts))
        self.table = nn.Parameter(torch.randn(sum(cardinalities), size, generator=generator) / math.sqrt(size))

    @property
    def width(self) -> int:
        """Outputs of all columns together."""
        return int(len(self.first) * self.table.shape[1])

    def forward(self, codes: Tensor) -> Tensor:
        if codes.is_floating_point():
            return codes
        return nn.functional.embedding(codes + self.first, self.table).flatten(1)


class ColumnNetwork(nn.Module):
    """A network whose columns are embedded before anything else.

    Parameters
    ----------
    n_numbers : columns of ``numbers``
    cardinalities : levels of each column of ``codes``; empty for none
    generator : of the initial weights of categories
    embedding : of the first ``embedded`` columns of ``numbers``, for which it was built (the rest goes in as it is), or
        None
    category_size : numbers for every categorical column
    """

    def __init__(
        self,
        n_numbers: int,
        cardinalities: Sequence[int],
        generator: torch.Generator,
        embedding: NumberEmbedding | None,
        embedded: int,
        category_size: int,
    ) -> None:
        super().__init__()
        self.n_numbers, self.n_codes = n_numbers, len(cardinalities)
        self.embedding, self.embedded = embedding, embedded if embedding is not None else 0
        self.categories = CategoryEmbedding(cardinalities, generator, size=category_size) if cardinalities else None

    def columns(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Embedded numbers, the others, embedded categories: float32 ``(batch, inputs)``."""
        parts = [numbers]
        if self.embedding is not None:
            parts = [self.embedding(numbers[:, : self.embedded]), numbers[:, self.embedded :]]
        if self.categories is not None:
            parts.append(self.categories(codes))
        parts = [part for part in parts if part.shape[-1]]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def examples(self) -> tuple[Tensor, Tensor]:
        """One row of what `forward` takes."""
        return torch.zeros(1, self.n_numbers), torch.zeros(1, self.n_codes, dtype=torch.int64)


def quantile_edges(numbers: np.ndarray, n_bins: int = 48) -> list[np.ndarray]:
    """Edges of at most ``n_bins`` bins of equal counts for every column of ``numbers (n_rows, columns)``, each at least
    two.

    48 bins: the default of TabM (Gorishniy et al. 2024, arXiv 2410.24210).
    """
    shares = np.linspace(0, 1, n_bins + 1)
    edges = []
    for column in np.asarray(numbers, dtype=np.float64).T:
        edge = np.unique(np.quantile(column, shares).astype(np.float32))
        edges.append(edge if len(edge) > 1 else np.array([edge[0], edge[0] + 1], dtype=np.float32))
    return edges


def _fill_bins(tables: np.ndarray, edge: np.ndarray) -> None:
    slope, shift, low, high = tables
    n_bins = len(edge) - 1
    slope[:n_bins] = 1 / np.diff(edge)
    shift[:n_bins] = -edge[:-1] / np.diff(edge)
    high[:n_bins] = 1
    low[0] = np.finfo(np.float32).min
    high[n_bins - 1] = np.finfo(np.float32).max


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound
