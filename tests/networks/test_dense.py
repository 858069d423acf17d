"""The dense network's parts against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from annvil.networks import Activation, DenseNetwork, PeriodicEmbedding, PiecewiseLinearEmbedding, quantile_edges
from annvil.training import Member, Recipe, train_population


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_initial_weights_from_data() -> None:
    numbers, codes = (
        torch.randn(500, 4, generator=generator(3)) * torch.tensor([1.0, 5, 0.1, 1]),
        torch.zeros(500, 0).long(),
    )
    network = DenseNetwork(4, [], 2, generator(), widths=(6, 6))
    network.fit_initial_weights(numbers, codes, generator(1))
    x = numbers
    for layer, activation in zip(network.layers, network.activations, strict=False):
        sums = x @ layer.weight.T  # type: ignore[operator]
        torch.testing.assert_close(sums.std(0, correction=0), torch.ones(6), rtol=1e-4, atol=1e-4)
        # Minus a mixture of five sums lies within their range, and so on the data.
        assert (-layer.bias >= sums.min(0).values).all()  # type: ignore[operator]
        assert (-layer.bias <= sums.max(0).values).all()  # type: ignore[operator]
        x = activation(sums + layer.bias)


def test_neural_tangent_rates_are_those_of_the_paper_under_adamw() -> None:
    """Training W x / sqrt(n) with rate r is training W x with rate r / sqrt(n), decay included."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 9), torch.randn(64, 1)
    network = DenseNetwork(9, [], 1, generator(), widths=(), scale=False)
    plain, bias = network.layers[0].weight.detach().clone(), network.layers[0].bias.detach().clone()
    weight = torch.nn.Parameter(plain * 3)  # sqrt(9)
    free = torch.nn.Parameter(bias.clone())
    optimiser = torch.optim.AdamW(
        [{"params": [weight], "lr": 0.01, "weight_decay": 0.5}, {"params": [free], "lr": 0.001, "weight_decay": 0.0}],
        eps=1e-12,
    )
    for _ in range(20):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(x @ weight.T / 3 + free, y).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    member = Member(np.arange(64), np.arange(0), seed=0, learning_rate=0.01, weight_decay=0.5)
    inputs = (x, torch.zeros(64, 0).long())
    recipe = Recipe(20, batch_size=64, eps=1e-12)
    result = train_population(lambda _: network, inputs, y, [member], recipe, "squared-error").network(0)
    torch.testing.assert_close(result.layers[0].weight, weight.detach() / 3, rtol=1e-4, atol=1e-5)  # type: ignore[union-attr, index]


def test_every_parameter_has_a_group() -> None:
    network = DenseNetwork(5, [4], 2, generator(), embedding=PeriodicEmbedding(3, generator()), embedded=3, widths=(8,))
    groups = network.parameter_groups()
    assert set(groups) == {name for name, _ in network.named_parameters()}
    assert groups["scale"] == (6.0, 1.0)
    assert groups["layers.0.bias"] == (0.1, 0.0)
    fan_in = 3 * 4 + 2 + 8
    assert groups["layers.0.weight"] == pytest.approx((1 / math.sqrt(fan_in), math.sqrt(fan_in)))


def test_a_parametric_activation_is_between_nothing_and_the_activation() -> None:
    x = torch.linspace(-2, 2, 7).repeat(3, 1).T
    activation = Activation("selu", 3, parametric=True)
    with torch.no_grad():
        activation.alpha.copy_(torch.tensor([0.0, 1.0, 0.5]))  # type: ignore[union-attr]
    y = activation(x).detach()
    f = torch.nn.functional.selu(x)
    torch.testing.assert_close(y, torch.stack([x[:, 0], f[:, 1], (x[:, 2] + f[:, 2]) / 2], 1))


def test_periodic_embedding_by_hand() -> None:
    embedding = PeriodicEmbedding(2, generator(), frequencies=3, size=3)
    x = torch.tensor([[0.3, -1.2]])
    rows = []
    for column in range(2):
        cosine = torch.cos(x[0, column] * embedding.frequency[column] + embedding.phase[column])
        rows.append(cosine @ embedding.weight[column] + embedding.bias[column, 0])
    torch.testing.assert_close(embedding(x), torch.cat([x[0], *rows]).unsqueeze(0))


def test_piecewise_linear_embedding_by_hand() -> None:
    embedding = PiecewiseLinearEmbedding([np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0])], generator(), size=2)
    with torch.no_grad():
        embedding.weight.copy_(torch.randn(embedding.weight.shape, generator=generator(2)))
    for x, steps in [
        ((2.0, 1.0), ((1.0, 0.5), (0.5, 0.0))),
        ((-4.0, -4.0), ((-4.0, 0.0), (-2.0, 0.0))),  # open below
        ((7.0, 5.0), ((1.0, 3.0), (2.5, 0.0))),  # open above
        ((0.5, 0.0), ((0.5, 0.0), (0.0, 0.0))),
    ]:
        expected = [
            x[c] * embedding.linear[c] + embedding.bias[c, 0] + torch.tensor(steps[c]) @ embedding.weight[c]
            for c in range(2)
        ]
        torch.testing.assert_close(embedding(torch.tensor([x]))[0], torch.cat(expected))


def test_quantile_edges() -> None:
    numbers = np.stack([np.arange(101.0), np.repeat([0.0, 1.0], [90, 11]), np.zeros(101)], axis=1)
    edges = quantile_edges(numbers, n_bins=4)
    assert edges[0].tolist() == [0, 25, 50, 75, 100]
    assert edges[1].tolist() == [0, 1]
    assert edges[2].tolist() == [0, 1]  # a constant column still has a bin
