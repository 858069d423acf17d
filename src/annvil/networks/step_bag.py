"""A network that sees the steps of a series and not their order: each step by itself, then the mean over all.

What a network that knows order gains over this one is what order is worth (the sets of Zaheer et al. 2017, Deep Sets,
arXiv 1703.06114, section 3: a function of a sum over elements is one of the set).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from annvil.networks.dropout import Dropout
from annvil.networks.series_input import Scaling, SeriesInput


@dataclass(frozen=True)
class StepBagArchitecture:
    """Everything that a network's weights do not say; ``width`` units in each of two layers, the same for all steps."""

    n_channels: int
    n_outputs: int
    width: int = 64
    scaling: Scaling = "channel"

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {"kind": "step-bag", **asdict(self)}


class StepBagNetwork(nn.Module):
    """Values ``(n, channels, time)`` and lengths ``(n,)`` → ``(n, n_outputs)``, the same for any order of the steps."""

    def __init__(self, architecture: StepBagArchitecture, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.input = SeriesInput(a.n_channels, a.scaling)
        self.each = nn.ModuleList((nn.Linear(a.n_channels, a.width), nn.Linear(a.width, a.width)))
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(a.width, a.n_outputs)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Initial weights: of variance 2 / inputs (He et al. 2015), of the last layer 1 / inputs; thresholds all over
        the range of scaled values, which a single number needs to be told apart by."""
        layers: list[Any] = [*self.each, self.head]
        for layer in layers:
            bound = ((3 if layer is self.head else 6) / layer.in_features) ** 0.5
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.zero_()
        layers[0].bias.uniform_(-2, 2, generator=generator)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        x, mask = self.input(values, lengths)
        x = x.transpose(1, 2)
        for layer in self.each:
            x = torch.relu(layer(x))
        weights = mask / mask.sum(dim=2, keepdim=True)
        return self.head(self.dropout((weights @ x)[:, 0]))  # type: ignore[no-any-return]

    def examples(self) -> tuple[Tensor, Tensor]:
        """One series, as `forward` takes them, of one step."""
        return torch.zeros(1, self.architecture.n_channels, 1), torch.ones(1, dtype=torch.int64)
