"""Networks that forecast: a straight path from past values to the steps ahead, and a body that learns what it leaves.

The straight path is a linear map of the window, which begins as the closed-form one; the body's last layer begins at
zero. So a network begins where the best linear forecast ends (as residual blocks do, He et al. 2016), and what it gains
is what is not linear. Bodies: dense layers over the window, or a recurrence or causal convolutions over patches of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from annvil.networks.dropout import Dropout
from annvil.networks.recurrent import RecurrentArchitecture, RecurrentNetwork
from annvil.networks.temporal import CausalLayer, layers_to_see

Body = Literal["dense", "gru", "lstm", "tcn"]


@dataclass(frozen=True)
class ForecastArchitecture:
    """Everything that a network's weights do not say.

    Attributes
    ----------
    window, horizon : steps before and after the origin
    n_channels : values of a step, the target's first
    n_sides : values beside the window
    body : what learns beside the straight path
    width : units of a layer
    patch : steps that a recurrence or a convolution reads at a time
    """

    window: int
    horizon: int
    n_channels: int
    n_sides: int
    body: Body = "dense"
    width: int = 128
    patch: int = 1

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {"kind": "forecasting", **asdict(self)}


class ForecastNetwork(nn.Module):
    """Values ``(n, channels, window)`` and what is beside them ``(n, n_sides)`` → steps ahead ``(n, horizon)``."""

    def __init__(self, architecture: ForecastArchitecture, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.straight = nn.Linear(a.window, a.horizon, bias=False)
        self.beside = nn.Linear(a.n_sides, a.horizon, bias=False)
        self.recurrence: RecurrentNetwork | None = None
        if a.body == "dense":
            n_inputs = a.window * a.n_channels + a.n_sides
            self.layers = nn.Sequential(nn.Linear(n_inputs, a.width), nn.ReLU(), nn.Linear(a.width, a.width), nn.ReLU())
        elif a.body == "tcn":
            n_layers = layers_to_see(a.window // a.patch)
            causal = (CausalLayer(a.width, a.width, 2**k) for k in range(n_layers))
            self.layers = nn.Sequential(nn.Conv1d(a.n_channels, a.width, a.patch, stride=a.patch), *causal)
        else:
            self.layers = nn.Sequential()
            self.recurrence = RecurrentNetwork(
                RecurrentArchitecture(a.n_channels, a.width, a.body, a.width, patch=a.patch)
            )
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(a.width, a.horizon)

    @torch.no_grad()
    def begin(self, straight: Tensor, beside: Tensor, generator: torch.Generator) -> None:
        """Initial weights: the linear map given, ``(window, horizon)`` and ``(n_sides, horizon)``; bodies at random, of
        variance 2 / inputs (He et al. 2015); the last layer zero."""
        if self.recurrence is not None:
            self.recurrence.initialise(generator)
        for layer in self.layers.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                bound = (6 / layer.weight[0].numel()) ** 0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                if layer.bias is not None:
                    layer.bias.zero_()
        self.head.weight.zero_()
        self.head.bias.zero_()
        self.straight.weight.copy_(straight.T)
        self.beside.weight.copy_(beside.T)

    def forward(self, values: Tensor, sides: Tensor) -> Tensor:
        linear = self.straight(values[:, 0]) + self.beside(sides)
        if self.architecture.body == "tcn":
            found = self.layers(values[:, :, self.architecture.window % self.architecture.patch :])[:, :, -1]
        elif self.recurrence is None:
            found = self.layers(torch.cat([values.flatten(1), sides], dim=1))
        else:
            lengths = torch.zeros_like(values[:, 0, 0], dtype=torch.int64) + self.architecture.window
            found = torch.relu(self.recurrence(values, lengths))
        return linear + self.head(self.dropout(found))  # type: ignore[no-any-return]

    def examples(self) -> tuple[Tensor, Tensor]:
        """One origin, as `forward` takes it."""
        a = self.architecture
        return torch.zeros(1, a.n_channels, a.window), torch.zeros(1, a.n_sides)
