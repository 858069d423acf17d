"""A dense network for tables, with the parts of RealMLP as options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from annvil.networks.activations import Activation, ActivationName
from annvil.networks.dropout import Dropout
from annvil.networks.embeddings import ColumnNetwork, NumberEmbedding


class DenseNetwork(ColumnNetwork):
    """Hidden layers between embedded columns and outputs; with its defaults RealMLP's (Holzmüller et al. 2024, section
    3).

    Parameters
    ----------
    n_numbers, cardinalities, embedding, embedded, category_size : see `ColumnNetwork`
    n_outputs : logits or values
    generator : of all initial weights
    widths : units of the hidden layers
    activation, parametric : see `Activation`
    scale : a trained factor for every column after the embeddings, starting at 1
    dropout : after every activation; None builds no dropout at all (a rate of 0 costs time, None does not)
    zero_last : start with a last layer of zeros
    ntk : learning rates of the neural tangent parametrisation, see below

    Shape: ``numbers`` float32 ``(batch, n_numbers)``, ``codes`` int64 ``(batch, len(cardinalities))`` → ``(batch,
    n_outputs)``.

    RealMLP computes ``W x / sqrt(fan_in)``. Under AdamW that is the same as the plain ``W x`` with a learning rate
    divided by sqrt(fan_in) and the same decay of the weights (up to the optimiser's eps), which saves a pass over every
    layer: so ``parameter_groups`` asks for those rates instead.
    """

    def __init__(
        self,
        n_numbers: int,
        cardinalities: Sequence[int],
        n_outputs: int,
        generator: torch.Generator,
        *,
        widths: Sequence[int] = (256, 256, 256),
        activation: ActivationName = "selu",
        parametric: bool = True,
        embedding: NumberEmbedding | None = None,
        embedded: int = 0,
        scale: bool = True,
        dropout: float | None = None,
        category_size: int = 8,
        zero_last: bool = False,
        ntk: bool = True,
    ) -> None:
        super().__init__(n_numbers, cardinalities, generator, embedding, embedded, category_size)
        self.ntk = ntk
        inputs = n_numbers - self.embedded
        inputs += embedding.width if embedding is not None else 0
        inputs += self.categories.width if self.categories is not None else 0
        self.scale = nn.Parameter(torch.ones(inputs)) if scale else None
        sizes = [inputs, *widths, n_outputs]
        self.layers = nn.ModuleList(_linear(*pair, generator) for pair in pairwise(sizes))
        self.activations = nn.ModuleList(Activation(activation, width, parametric) for width in widths)
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in widths if dropout is not None)
        if zero_last:
            nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        x = self._scaled(numbers, codes)
        for place, activation in enumerate(self.activations):
            x = activation(self.layers[place](x))
            if self.dropouts:
                x = self.dropouts[place](x)
        return self.layers[-1](x)  # type: ignore[no-any-return]

    def _scaled(self, numbers: Tensor, codes: Tensor) -> Tensor:
        x = self.columns(numbers, codes)
        return x if self.scale is None else x * self.scale

    @torch.no_grad()
    def fit_initial_weights(self, numbers: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Initial weights and biases from training rows, as RealMLP does.

        Layer after layer: weights are scaled so that every unit's sum varies with standard deviation 1 over the rows
        (``weight_init_mode="std"``); a bias is minus a random mixture of that sum at five of the rows ("he+5"), so that
        the bends of the activation lie where the data are. A last layer of zeros stays.
        """
        training = self.training
        self.eval()
        x = self._scaled(numbers, codes)
        for place, layer in enumerate(self.layers):
            if not bool(layer.weight.any()):  # type: ignore[operator]
                continue
            _fit_layer(layer, x, generator)  # type: ignore[arg-type]
            if place < len(self.activations):
                x = self.activations[place](layer(x))
        self.train(training)

    def parameter_groups(self) -> dict[str, tuple[float, float]]:
        """Factors of the learning rate and of the weight decay for every parameter by name, RealMLP's.

        Biases do not decay; biases, ``alpha`` of the activations and the embedding of numbers learn at 0.1 of the rate,
        the scale at 6.
        """
        groups = {}
        for name, value in self.named_parameters():
            if name == "scale":
                groups[name] = (6.0, 1.0)
            elif name.startswith("embedding.") or name.endswith(("bias", "alpha")):
                groups[name] = (0.1, float(not name.endswith("bias")))
            elif name.startswith("layers.") and self.ntk:
                root = math.sqrt(value.shape[1])
                groups[name] = (1 / root, root)  # learning rate × weight decay stays what it was
            else:
                groups[name] = (1.0, 1.0)
        return groups


def _linear(fan_in: int, fan_out: int, generator: torch.Generator) -> nn.Linear:
    """W ~ N(0, 1/fan_in), b ~ N(0, 1): RealMLP's without data ("normal").

    `torch.nn.utils.skip_init` would do without the first weights, too, but imports SymPy, half a second.
    """
    layer = nn.Linear(fan_in, fan_out, device="meta")
    layer.weight = nn.Parameter(torch.randn(fan_out, fan_in, generator=generator) / math.sqrt(max(fan_in, 1)))
    layer.bias = nn.Parameter(torch.randn(fan_out, generator=generator))
    return layer


LEAST_DEVIATION = 0.02
"""Share of a unit's size that its deviation over the rows is at least taken to be (assumed; usually 0.3 to 1)."""


def _fit_layer(layer: nn.Linear, x: Tensor, generator: torch.Generator) -> None:
    sums = x @ layer.weight.T
    size = sums.square().mean(0).sqrt()
    # Rows that are all but equal must not blow the weights up: float32 then loses what the rows differ in.
    deviation = torch.maximum(sums.std(0, correction=0), LEAST_DEVIATION * size)
    deviation = torch.where(deviation > 0, deviation, 1.0)
    layer.weight.div_(deviation[:, None])
    sums = sums / deviation
    rows = torch.randint(len(x), (5, len(layer.weight)), generator=generator)
    mixture = torch.rand(rows.shape, generator=generator).clamp(min=1e-6).log().neg()
    mixture = mixture / mixture.sum(0)  # uniform on the simplex
    layer.bias.copy_(-(mixture * sums.gather(0, rows)).sum(0))
