"""AdamW, Adam, SGD, RMSprop and clipping against PyTorch's, with settings of each member's own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from tests.training.helpers import ROWS
from torch import Tensor, nn

from annvil.training import Member, Recipe
from annvil.training.loop.stack import Layout
from annvil.training.optimizers.fused import Optimiser


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.scale, self.bias = (nn.Parameter(torch.randn(n)) for n in ((3, 5), (7,), (2,)))

    def parameter_groups(self) -> dict[str, tuple[float, float]]:
        return {"weight": (0.5, 2.0), "scale": (6.0, 1.0), "bias": (1.0, 0.0)}


def run(
    recipe: Recipe, settings: Sequence[tuple[float, ...]], steps: int = 7
) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """The members' parameters after some steps on random gradients, by this optimiser and by PyTorch's."""
    torch.manual_seed(0)
    networks = [Grouped() for _ in settings]
    layout = Layout.of(networks[0])
    names = ("learning_rate", "weight_decay", "momentum")
    members = [Member(ROWS, ROWS, 0, **dict(zip(names, setting, strict=False))) for setting in settings]  # type: ignore[arg-type]
    size = layout.size(len(members))
    flat, gradients = torch.zeros(size), torch.zeros(size)
    stacked, _ = layout.stack(networks)
    for view, value in zip(layout.views(flat, len(members)), stacked, strict=True):
        view.copy_(value)
    optimiser = Optimiser(layout, members, recipe, flat, gradients)
    rules = Grouped().parameter_groups()
    theirs = [
        make_optimiser(recipe, [(getattr(network, name), rules[name]) for name in layout.names], *setting)
        for network, setting in zip(networks, settings, strict=True)
    ]
    for step in range(steps):
        factor = 1 - step / 10
        for view, name in zip(layout.views(gradients, len(members)), layout.names, strict=True):
            view.copy_(torch.randn(view.shape))
            for k, network in enumerate(networks):
                getattr(network, name).grad = view[k].clone()
        for network, other in zip(networks, theirs, strict=True):
            if recipe.clip_norm:
                _clip(network, recipe)
            for group in other.param_groups:
                group["lr"], group["weight_decay"] = group["peak"] * factor, group["decay"] * (0.5 + factor)
            other.step()
        optimiser.step(factor, 0.5 + factor)
    views = layout.views(flat, len(members))
    mine = [[view[k] for view in views] for k in range(len(members))]
    return mine, [[getattr(network, name).detach() for name in layout.names] for network in networks]


def _clip(network: nn.Module, recipe: Recipe) -> None:
    assert recipe.clip_norm is not None
    if recipe.clip_by == "number":
        nn.utils.clip_grad_value_(network.parameters(), recipe.clip_norm)
    for part in [network.parameters()] if recipe.clip_by == "all" else network.parameters():
        nn.utils.clip_grad_norm_(part, recipe.clip_norm if recipe.clip_by != "number" else 1e9)


def make_optimiser(
    recipe: Recipe,
    parameters: list[tuple[nn.Parameter, tuple[float, float]]],
    rate: float,
    decay: float,
    momentum: float | None = None,
) -> torch.optim.Optimizer:
    groups: list[dict[str, object]] = []
    for parameter, (rate_factor, decay_factor) in parameters:
        own_rate, own_decay = rate * rate_factor, decay * decay_factor
        groups.append({"params": [parameter], "lr": own_rate, "peak": own_rate, "decay": own_decay})
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, betas=recipe.betas, eps=recipe.eps)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, betas=recipe.betas, eps=recipe.eps)
    momentum = recipe.momentum if momentum is None else momentum
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, alpha=recipe.betas[1], eps=recipe.eps, momentum=momentum)
    return torch.optim.SGD(groups, momentum=momentum, nesterov=recipe.nesterov and momentum > 0)


@pytest.mark.parametrize("clip", [None, 1.5])
@pytest.mark.parametrize(
    "settings",
    [[(0.1, 0.3)] * 3, [(0.1, 0.0)] * 2, [(0.1, 0.3), (0.02, 0.0), (0.003, 1.0)], [(0.1, 0.0), (0.2, 0.0)]],
)
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop"])
def test_every_member_moves_as_with_an_optimiser_of_its_own(
    optimizer: str, settings: list[tuple[float, float]], clip: float | None
) -> None:
    recipe = Recipe(1, optimizer=optimizer, betas=(0.8, 0.95), clip_norm=clip)  # type: ignore[arg-type]
    for mine, theirs in zip(*run(recipe, settings), strict=True):
        for own, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "settings", [[(0.1, 0.3)] * 2, [(0.1, 0.3, 0.5)] * 2, [(0.1, 0.3, 0.95), (0.02, 0.0, 0.0), (0.1, 0.2)]]
)
@pytest.mark.parametrize("recipe", [{"nesterov": False}, {"momentum": 0.0}, {"momentum": 0.6}])
def test_momentum_of_every_kind(recipe: dict[str, float], settings: list[tuple[float, ...]]) -> None:
    for mine, theirs in zip(*run(Recipe(1, optimizer="sgd", **recipe), settings), strict=True):  # type: ignore[arg-type]
        for own, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("clip_by", ["all", "each", "number"])
def test_clipping_of_every_kind(clip_by: str) -> None:
    recipe = Recipe(1, optimizer="sgd", clip_norm=0.7, clip_by=clip_by)  # type: ignore[arg-type]
    for mine, theirs in zip(*run(recipe, [(0.1, 0.0), (0.2, 0.0)]), strict=True):
        for own, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.1, 0.03)])
@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_eps_as_keras_has_it(optimizer: str, rates: tuple[float, float]) -> None:
    options = {"betas": (0.9, 0.99), "eps": 1e-3, "eps_as": "keras", "momentum": 0.0}
    recipe = Recipe(1, optimizer=optimizer, **options)  # type: ignore[arg-type]
    layout = Layout.of(nn.Linear(3, 1, bias=False))
    members = [Member(ROWS, ROWS, 0, learning_rate=rate) for rate in rates]
    flat, gradients = torch.zeros(layout.size(2)), torch.zeros(layout.size(2))
    optimiser = Optimiser(layout, members, recipe, flat, gradients)
    generator = torch.Generator().manual_seed(0)
    mean, square, expected = torch.zeros(2, 1, 3), torch.zeros(2, 1, 3), torch.zeros(2, 1, 3)
    for step in range(1, 6):
        g = 1e-3 * torch.randn(2, 1, 3, generator=generator)
        layout.views(gradients, 2)[0].copy_(g)
        optimiser.step(1.0, 1.0)
        square = 0.99 * square + 0.01 * g * g
        mean = 0.9 * mean + 0.1 * g
        alpha = torch.tensor(rates).view(2, 1, 1)
        if optimizer == "adamw":
            alpha = alpha * (1 - 0.99**step) ** 0.5 / (1 - 0.9**step)
            expected = expected - alpha * mean / (square.sqrt() + 1e-3)
        else:
            expected = expected - alpha * g / (square + 1e-3).sqrt()
    torch.testing.assert_close(layout.views(flat, 2)[0], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_bias_decays_only_if_it_is_told_to(optimizer: str, decay: float) -> None:
    """Groups that differ in their decay alone are one pass while nobody decays."""
    torch.manual_seed(0)
    network = nn.Linear(20, 3)
    layout = Layout.of(network)
    members = [Member(ROWS, ROWS, 0, learning_rate=0.1, weight_decay=decay)]
    flat, gradients = torch.zeros(layout.size(1)), torch.zeros(layout.size(1))
    for view, value in zip(layout.views(flat, 1), layout.stack([network])[0], strict=True):
        view.copy_(value)
    optimiser = Optimiser(layout, members, Recipe(1, optimizer=optimizer), flat, gradients)  # type: ignore[arg-type]
    groups = [{"params": [network.weight], "weight_decay": decay}, {"params": [network.bias], "weight_decay": 0.0}]
    other = (
        torch.optim.AdamW(groups, lr=0.1)
        if optimizer == "adamw"
        else torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    )
    for _ in range(5):
        for view, name in zip(layout.views(gradients, 1), layout.names, strict=True):
            view.copy_(torch.randn(view.shape))
            getattr(network, name).grad = view[0].clone()
        other.step()
        optimiser.step(1.0, 1.0)
    for view, name in zip(layout.views(flat, 1), layout.names, strict=True):
        torch.testing.assert_close(view[0], getattr(network, name).detach(), rtol=1e-5, atol=1e-6)
