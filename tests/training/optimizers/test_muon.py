"""Muon against PyTorch's and against the singular values that it promises."""

from __future__ import annotations

import pytest
import torch
from tests.training.helpers import ROWS, seeded
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.training import Member, Muon, Recipe
from annvil.training.loop.stack import Layout
from annvil.training.optimizers.fused import Optimiser
from annvil.training.optimizers.muon import matrices_of, orthogonal


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (7, 7)])
@pytest.mark.parametrize("steps", [3, 5])
def test_every_singular_value_goes_through_the_quintic(shape: tuple[int, int], steps: int) -> None:
    """The iteration keeps the singular vectors, so float64 arithmetic on the values alone says what must come out."""
    update = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    left, values, right = torch.linalg.svd(update.double(), full_matrices=False)
    values = values / values.square().sum(1, keepdim=True).sqrt()
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    expected = left @ torch.diag_embed(values) @ right
    torch.testing.assert_close(orthogonal(update, steps).double(), expected, rtol=0, atol=2e-5)
    torch.testing.assert_close(orthogonal(update, steps, bfloat16=True).double(), expected, rtol=0, atol=0.05)


def test_a_member_without_a_gradient_or_with_a_bad_one_keeps_to_itself() -> None:
    update = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    update[0], update[1] = 0.0, torch.inf
    result = orthogonal(update, 5)
    assert (result[0] == 0).all()
    assert torch.equal(result[2], orthogonal(update[2:], 5)[0])


class Network(nn.Module):
    """Matrices of every kind beside what Muon leaves alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.conv = nn.Conv2d(2, 6, 3)
        self.norm = nn.LayerNorm(6)
        self.hidden = nn.Linear(6, 9)
        self.row = nn.Parameter(torch.randn(1, 9))
        self.head = nn.Linear(9, 3)


def test_which_parameters_are_matrices() -> None:
    network = Network()
    assert matrices_of(network, Layout.of(network)) == ("conv.weight", "hidden.weight")
    network.hidden.weight.requires_grad_(False)
    assert matrices_of(network, Layout.of(network)) == ("conv.weight",)
    assert matrices_of(nn.Linear(3, 3), Layout.of(nn.Linear(3, 3))) == ()


def test_a_network_may_name_its_matrices() -> None:
    class Own(Network):
        def muon_parameters(self) -> list[str]:
            return ["head.weight"]

    assert matrices_of(Own(), Layout.of(Own())) == ("head.weight",)
    Own.muon_parameters = lambda self: ["head.wieght"]  # type: ignore[method-assign]
    with pytest.raises(RequestError, match=r"Own.muon_parameters\(\) names 'head.wieght', which is no trained parame"):
        matrices_of(Own(), Layout.of(Own()))


def run(
    recipe: Recipe, members: list[Member], bfloat16: bool, steps: int = 6
) -> tuple[list[nn.Module], list[list[Tensor]]]:
    """The networks that the members started from, moved by hand-made gradients; and every gradient given."""
    networks = [seeded(Network(), member.seed) for member in members]
    layout = Layout.of(networks[0])
    flat, gradients = (torch.zeros(layout.size(len(members))) for _ in range(2))
    views = layout.views(flat, len(members))
    for view, value in zip(views, layout.stack(networks)[0], strict=True):
        view.copy_(value)
    matrices = matrices_of(networks[0], layout)
    optimiser = Optimiser(layout, members, recipe, flat, gradients, matrices, bfloat16)
    given = []
    generator = torch.Generator().manual_seed(9)
    for step in range(steps):
        for view in layout.views(gradients, len(members)):
            view.copy_(torch.randn(view.shape, generator=generator))
        given.append([view.clone() for view in layout.views(gradients, len(members))])
        optimiser.step(1 - step / 10, 0.5 + step / 10, 1 - step / 20)
    for k, network in enumerate(networks):
        state = dict(network.named_parameters())
        for name, view in zip(layout.names, views, strict=True):
            state[name].data.copy_(view[k])
    return networks, given


@pytest.mark.parametrize("others", ["adamw", "sgd"])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize(("scale", "theirs"), [("adamw", "match_rms_adamw"), ("shape", "original")])
def test_every_member_moves_as_with_pytorchs(
    others: str, nesterov: bool, scale: str, theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both in float32: rounding to bfloat16 at other places would part them by what the smallest singular values make.
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    members = [
        Member(ROWS, ROWS, k, rate, decay, momentum=momentum)
        for k, (rate, decay, momentum) in enumerate([(0.02, 0.1, 0.9), (0.1, 0.0, 0.6), (0.05, 0.5, None)])
    ]
    muon = Muon(scale=scale, others=others, others_rate=0.5, others_momentum=0.8)  # type: ignore[arg-type]
    recipe = Recipe(1, optimizer="muon", nesterov=nesterov, momentum=0.95, muon=muon)
    networks, given = run(recipe, members, bfloat16=False)
    for k, member in enumerate(members):
        expected = seeded(Network(), member.seed)
        by_pytorch(expected, recipe, member, [[gradient[k] for gradient in step] for step in given], theirs)
        for (name, mine), other in zip(networks[k].named_parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def by_pytorch(network: nn.Module, recipe: Recipe, member: Member, steps: list[list[Tensor]], scale: str) -> None:
    layout, state = Layout.of(network), dict(network.named_parameters())
    # PyTorch's takes matrices only: the filters, flattened.
    filters = nn.Parameter(state["conv.weight"].detach().flatten(1).clone())
    momentum = recipe.momentum if member.momentum is None else member.momentum
    matrices = torch.optim.Muon(
        [filters, state["hidden.weight"]], momentum=momentum, nesterov=recipe.nesterov, adjust_lr_fn=scale
    )
    groups = [{"params": [state[name]]} for name in layout.names if name not in ("conv.weight", "hidden.weight")]
    if recipe.muon.others == "adamw":
        rest: torch.optim.Optimizer = torch.optim.AdamW(groups)
    else:
        rest = torch.optim.SGD(groups, momentum=0.8, nesterov=recipe.nesterov)
    for step, gradients in enumerate(steps):
        for name, gradient in zip(layout.names, gradients, strict=True):
            state[name].grad = gradient
        filters.grad = gradients[layout.names.index("conv.weight")].flatten(1)
        decay = member.weight_decay * (0.5 + step / 10)
        for group in matrices.param_groups:
            group["lr"], group["weight_decay"] = member.learning_rate * (1 - step / 10), decay
        for group in rest.param_groups:
            group["lr"] = member.learning_rate * 0.5 * (1 - step / 20)
            group["weight_decay"] = decay if group["params"][0].dim() >= 2 else 0.0
        matrices.step()
        rest.step()
    state["conv.weight"].data.copy_(filters.view(6, 2, 3, 3))


def test_renormalised_filters_as_in_airbench() -> None:
    """Each step: w ← w √rows / |w|, then w ← w - rate × the orthogonal update; worked out step by step."""
    member = Member(ROWS, ROWS, 0, learning_rate=0.24, momentum=0.6)
    muon = Muon(steps=3, scale="none", others="sgd")
    (network,), given = run(Recipe(1, optimizer="muon", muon=muon, renormalise=True), [member], bfloat16=False)
    layout = Layout.of(network)
    weight = seeded(Network(), 0).conv.weight.detach().flatten(1)  # type: ignore[union-attr]
    moment = torch.zeros_like(weight)
    for step, gradients in enumerate(given):
        gradient = gradients[layout.names.index("conv.weight")][0].flatten(1)
        moment = 0.6 * moment + gradient
        weight = weight * (6**0.5 / weight.norm())
        weight = weight - 0.24 * (1 - step / 10) * orthogonal((gradient + 0.6 * moment)[None], 3)[0]
    torch.testing.assert_close(network.conv.weight.flatten(1), weight, rtol=1e-5, atol=1e-5)  # type: ignore[union-attr]
