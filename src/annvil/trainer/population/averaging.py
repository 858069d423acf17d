"""Several networks as one: their votes averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from annvil.trainer.population.evaluation import as_outputs, votes

if TYPE_CHECKING:
    from annvil.trainer.inputs.targets import Target


class AveragedNetwork(nn.Module):
    """A network that says what the weighted mean of ``networks`` says: mean probabilities as logits, or mean numbers.

    Inputs and outputs are those of one of the networks; where these end in softmax or sigmoid, so does the mean.
    """

    shares: Tensor

    def __init__(self, networks: Sequence[nn.Module], weights: Sequence[float], target: Target) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.target = target
        self.register_buffer("shares", torch.tensor(weights, dtype=torch.float32) / sum(weights))
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor:
        parts = [votes(self.target, network(*inputs).float()) for network in self.networks]
        mean = torch.stack([share * part for share, part in zip(self.shares, parts, strict=True)]).sum(0)
        return as_outputs(self.target, mean)

    def extra_repr(self) -> str:
        return f"{len(self.networks)} networks, {self.target.kind} averaged"
