"""One network that holds k networks which share most of their weights (TabM)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from annvil.networks.dropout import Dropout
from annvil.networks.embeddings import ColumnNetwork, NumberEmbedding


class SharedEnsemble(ColumnNetwork):
    """TabM (Gorishniy et al. 2024, arXiv 2410.24210): k members around shared layers, and a head for each.

    A layer computes ``s_i * (W (r_i * x)) + b_i`` for member i, with W shared (BatchEnsemble, Wen et al. 2020). With
    ``mini`` only the first r differs, and everything up to the heads is shared.

    Parameters
    ----------
    n_numbers, cardinalities, n_outputs, generator, embedding, embedded, category_size, dropout : as in `DenseNetwork`
    k : members
    widths : units of the hidden layers (TabM: 3 of 512; 2 with an embedding)

    Initialised as there: the first r is ±1 at random, or N(0, 1) with an embedding (one draw for all outputs of a
    column); all other r and s are 1; W, b and heads are uniform in ±1/sqrt(fan_in), b the same for all members.

    Shape: ``numbers (batch, n_numbers)``, ``codes (batch, len(cardinalities))`` → ``(batch, k, n_outputs)``. Train it
    on the mean of the k losses and predict the mean of the k probabilities (or values), never the loss of the mean.
    """

    def __init__(
        self,
        n_numbers: int,
        cardinalities: Sequence[int],
        n_outputs: int,
        generator: torch.Generator,
        *,
        k: int = 32,
        widths: Sequence[int] = (512, 512, 512),
        mini: bool = False,
        embedding: NumberEmbedding | None = None,
        embedded: int = 0,
        dropout: float | None = 0.1,
        category_size: int = 8,
    ) -> None:
        super().__init__(n_numbers, cardinalities, generator, embedding, embedded, category_size)
        self.k, self.mini = k, mini
        self.first = nn.Parameter(self._first_factors(generator))
        sizes = [self.first.shape[1], *widths]
        self.layers = nn.ModuleList()
        for place, (fan_in, width) in enumerate(zip(sizes, widths, strict=False)):
            self.layers.append(
                _SharedLayer(fan_in, width, generator, k=k, mini=mini, scales_input=place > 0 and not mini)
            )
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in widths if dropout is not None)
        bound = 1 / math.sqrt(sizes[-1])
        self.head = nn.Parameter((torch.rand(k, sizes[-1], n_outputs, generator=generator) * 2 - 1) * bound)
        self.head_bias = nn.Parameter((torch.rand(k, 1, n_outputs, generator=generator) * 2 - 1) * bound)

    def _first_factors(self, generator: torch.Generator) -> Tensor:
        """``(k, inputs)``: one number for every member and column, repeated over what the column was embedded into."""
        n_categories = 0 if self.categories is None else len(self.categories.first)
        draws = (self.k, self.n_numbers + n_categories)
        if self.embedding is None:
            factors = torch.randint(0, 2, draws, generator=generator) * 2.0 - 1.0
        else:
            factors = torch.randn(draws, generator=generator)
        numbers, categories = factors[:, : self.n_numbers], factors[:, self.n_numbers :]
        parts = [numbers[:, self.embedded :]]
        if self.embedding is not None:
            parts.insert(0, self.embedding.spread(numbers[:, : self.embedded]))
        if self.categories is not None:
            parts.append(categories.repeat_interleave(self.categories.table.shape[1], dim=1))
        return torch.cat(parts, dim=1)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        x = self.columns(numbers, codes) * self.first.unsqueeze(1)  # (k, batch, inputs)
        for place, layer in enumerate(self.layers):
            x = functional.relu(layer(x))
            if self.dropouts:
                x = self.dropouts[place](x)
        return torch.baddbmm(self.head_bias, x, self.head).transpose(0, 1)

    def parameter_groups(self) -> dict[str, tuple[float, float]]:
        """Factors of the learning rate and of the weight decay by name: one rate; biases do not decay (as in TabM)."""
        return {name: (1.0, 0.0 if name.endswith("bias") else 1.0) for name, _ in self.named_parameters()}


class _SharedLayer(nn.Module):
    """``s_i * (W (r_i * x)) + b_i``; ``(k, batch, fan_in)`` → ``(k, batch, width)``."""

    def __init__(
        self, fan_in: int, width: int, generator: torch.Generator, *, k: int, mini: bool, scales_input: bool
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(fan_in)
        bias = (torch.rand(width, generator=generator) * 2 - 1) * bound
        self.weight = nn.Parameter((torch.rand(width, fan_in, generator=generator) * 2 - 1) * bound)
        self.bias = nn.Parameter(bias.clone() if mini else bias.repeat(k, 1))
        self.before = nn.Parameter(torch.ones(k, fan_in)) if scales_input else None
        self.after = None if mini else nn.Parameter(torch.ones(k, width))

    def forward(self, x: Tensor) -> Tensor:
        if self.before is not None:
            x = x * self.before.unsqueeze(1)
        k, batch, fan_in = x.shape
        y = functional.linear(x.reshape(k * batch, fan_in), self.weight).reshape(k, batch, -1)
        if self.after is None:
            return y + self.bias
        return torch.addcmul(self.bias.unsqueeze(1), y, self.after.unsqueeze(1))
