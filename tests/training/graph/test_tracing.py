"""The recorded step against autograd, for networks of many kinds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.training.helpers import ROWS, MakeNetwork, members, seeded, small_network, table
from torch import Tensor, nn

from annvil.training import Member, Recipe
from annvil.training.graph.builder import CannotRecord
from annvil.training.graph.memory_plan import Arena
from annvil.training.graph.program import StepProgram, bind
from annvil.training.graph.tracing import trace
from annvil.training.loop.bound_step import Workspace
from annvil.training.loop.engine import _check
from annvil.training.loop.pack import Pack
from annvil.training.system import random_state as chance


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.norm, self.out = nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.into(x)
        h = h + torch.nn.functional.gelu(self.norm(h))
        return self.out(h * h.mean(-1, keepdim=True))


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.out = nn.Conv1d(1, 4, 3), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.convolution(x.unsqueeze(1))).flatten(1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(1, 12), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.into(x.unsqueeze(-1)).chunk(3, dim=-1)
        mixed = torch.softmax(query @ key.transpose(1, 2) / 2, dim=-1) @ value
        return self.out(mixed.flatten(1))


class Twice(nn.Module):
    """One weight used in two places, sliced, gathered and squared."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 6))
        self.register_buffer("order", torch.tensor([5, 3, 1, 0, 2, 4]))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.sigmoid(x @ self.weight)[:, self.order]
        return (h @ self.weight.T)[:, 1:4] ** 2


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(6, 3), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)  # type: ignore[no-any-return]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "dense": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)),
    "in place": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 3), nn.ELU(inplace=True)),
    "many activations": lambda: nn.Sequential(
        nn.Linear(6, 8),
        nn.SELU(),
        nn.Linear(8, 8),
        nn.SiLU(),
        nn.Linear(8, 8),
        nn.Mish(),
        nn.Linear(8, 3),
        nn.Softplus(),
    ),
    "residual": Residual,
    "convolution": Convolution,
    "attention": Attention,
    "twice": Twice,
    "unused": Unused,
}


def first_step(make: MakeNetwork, count: int, batched: bool = True) -> tuple[Pack, list[nn.Module]]:
    """A pack after one step whose learning rate is 0, and the networks it began with."""
    numbers, classes = table()
    population = members(count, learning_rate=0.0)
    job = _check(make, (numbers,), classes, population, Recipe(1, batch_size=64), "cross-entropy", None)
    object.__setattr__(job, "batched", batched)
    networks = [make(member) for member in population]
    pack = Pack(job, range(count), *job.layout.stack(networks), Workspace())
    pack.begin_epoch(0)
    pack.run_steps(0, 1)
    return pack, networks


def autograd(pack: Pack, network: nn.Module, member: int) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of the member's first batch, by PyTorch."""
    numbers, classes = table()
    order, weights = pack.batches[0]
    rows = order[member][weights[member] > 0].long()
    loss = nn.functional.cross_entropy(network(numbers[rows]), classes[rows])
    named = dict(network.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()), materialize_grads=True)
    return loss.item(), dict(zip(named, gradients, strict=True))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_traced_gradient_is_autograds(name: str, count: int) -> None:
    pack, networks = first_step(lambda member: seeded(NETWORKS[name](), member.seed), count)
    for k, network in enumerate(networks):
        loss, gradients = autograd(pack, network, k)
        assert pack.gradients.losses[k].item() == pytest.approx(loss, rel=1e-5)
        for path, view in zip(pack.job.layout.names, pack.views(pack.gradients.flat), strict=True):
            torch.testing.assert_close(view[k], gradients[path], rtol=1e-4, atol=1e-6, msg=f"{name}: {path}")


def test_without_vmap_the_gradient_is_the_same() -> None:
    alone, networks = first_step(small_network, 1, batched=False)
    loss, gradients = autograd(alone, networks[0], 0)
    assert alone.gradients.losses.item() == pytest.approx(loss, rel=1e-5)
    for path, view in zip(alone.job.layout.names, alone.views(alone.gradients.flat), strict=True):
        torch.testing.assert_close(view[0], gradients[path], rtol=1e-4, atol=1e-6)


def test_the_step_of_a_dense_network_is_short() -> None:
    # Per layer: product and bias; activation, gradient of activation, weight, bias and input where there is one; the
    # loss: 4.
    pack, _ = first_step(lambda member: seeded(NETWORKS["dense"](), member.seed), 3)
    (bound,) = pack.gradients.runners[0].bound.values()
    assert isinstance(bound.program, StepProgram)
    assert len(bound.program.instructions) == 4 + 1 + 4 + 1 + 4 + 1


def run(function: Callable[..., list[Tensor]], *inputs: Tensor) -> list[Tensor]:
    recorded = trace(function, inputs)
    outputs = [torch.zeros(node.form.shape, dtype=node.form.dtype) for node in recorded.outputs]
    program = bind(recorded, inputs, outputs, Arena())
    for _ in range(2):  # the second time, buffers hold what the first left there
        program.run()
    return outputs


def test_views_of_views_constants_and_several_results() -> None:
    x = torch.arange(24.0).reshape(2, 3, 4)

    def function(x: Tensor) -> list[Tensor]:
        ones = torch.ones(3, 4)
        ones.mul_(2).sub_(1)  # a constant that changes while it is made
        high, low = (x * ones).transpose(1, 2).split(2, dim=1)
        values, places = (high - low).max(dim=2)
        return [x.permute(2, 0, 1).transpose(0, 1).transpose(0, 1)[1:], values * 1, places, x[0].T @ x[1]]

    for mine, theirs in zip(run(function, x), function(x), strict=True):
        assert torch.equal(mine, theirs)


def test_an_argument_is_not_overwritten_while_it_is_needed() -> None:
    def function(x: Tensor) -> list[Tensor]:
        y = x + 1
        z = torch.relu(y)
        return [y * z + y.T, z]

    x = torch.randn(5, 5)
    for mine, theirs in zip(run(function, x), function(x), strict=True):
        assert torch.equal(mine, theirs)


def test_a_constant_that_is_changed_in_place_keeps_its_value() -> None:
    def function(x: Tensor) -> list[Tensor]:
        ones = torch.ones(3, 4)
        return [ones.sub_(x) * 2]

    x = torch.randn(3, 4)
    assert torch.equal(run(function, x)[0], function(x)[0])


def test_constants_that_look_alike_are_told_apart() -> None:
    def function(x: Tensor) -> list[Tensor]:
        return [0.123451 - x, 0.123452 - x, x / torch.tensor(0.0), x / torch.tensor(-0.0)]

    x = torch.rand(3, 4) + 1
    for mine, theirs in zip(run(function, x), function(x), strict=True):
        assert torch.equal(mine, theirs)


def test_two_views_of_one_argument_are_not_overwritten() -> None:
    def function(x: Tensor) -> list[Tensor]:
        h = x + 1
        return [h * h.T + 1]

    x = torch.randn(5, 5)
    assert torch.equal(run(function, x)[0], function(x)[0])


def test_two_outputs_that_are_one_tensor() -> None:
    x = torch.randn(3, 4)
    one, other, same = run(lambda x: [x * 2, (x * 2).reshape(12), x], x)
    assert torch.equal(one, x * 2)
    assert torch.equal(other, (x * 2).reshape(12))
    assert torch.equal(same, x)


def test_a_view_from_before_a_change_sees_it() -> None:
    def function(x: Tensor) -> list[Tensor]:
        y = x + 1
        row, column = y[0], y[:, 1]
        y.mul_(2)
        column.add_(x[:, 0])
        y.view(-1)[::2] = 5.0
        y[1].copy_(x[0])
        return [row + 1, column * 2, y, y.T.contiguous()]

    x = torch.randn(4, 3)
    for mine, theirs in zip(run(function, x), function(x), strict=True):
        assert torch.equal(mine, theirs)


def test_inputs_that_share_memory_are_changed_apart() -> None:
    flat = torch.arange(12.0)

    def function(x: Tensor, y: Tensor) -> list[Tensor]:
        y[:, 0].add_(x[0, 0])
        x.zero_()
        return [x + 1, y + 1]

    recorded = trace(function, [flat.clone()[:6].view(2, 3), flat.clone()[6:].view(2, 3)])
    x, y = flat[:6].view(2, 3), flat[6:].view(2, 3)
    outputs = [torch.zeros(2, 3), torch.zeros(2, 3)]
    bind(recorded, [x, y], outputs, Arena()).run()
    assert torch.equal(flat, torch.arange(12.0))  # a replay changes nothing but its outputs
    for mine, theirs in zip(outputs, function(x, y), strict=True):
        assert torch.equal(mine, theirs)


OUTSIDE = torch.zeros(3)

UNREPEATABLE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "noise": (lambda x: nn.functional.dropout(x, 0.5), "draws random numbers"),
    "noise in place": (lambda x: torch.empty_like(x).uniform_(), "draws random numbers"),
    "a value": (lambda x: x * x.sum().item(), "reads values"),
    "a decision": (lambda x: x if (x > 0).any() else -x, "reads values"),
    "a mask": (lambda x: x[x > 0], "shape hangs on values"),
    "places": (lambda x: x.nonzero(), "shape hangs on values"),
    "memory of its own": (lambda x: OUTSIDE.add_(x[0]), "neither one of its parameters nor of its buffers"),
    "many operations": (lambda x: [x := x * 1.1 for _ in range(60)][-1], "more than 50 operations"),
}


@pytest.mark.parametrize("name", list(UNREPEATABLE))
def test_what_a_replay_would_not_repeat_is_not_recorded(name: str) -> None:
    function, message = UNREPEATABLE[name]
    with pytest.raises(CannotRecord, match=message):
        trace(lambda x: [function(x)], [torch.randn(2, 3)], most_nodes=50)


def test_values_and_masks_of_constants_are_no_decisions() -> None:
    places = torch.tensor([True, False, True])

    def function(x: Tensor) -> list[Tensor]:
        return [x[:, places] * torch.ones(3).sum().item()]

    x = torch.randn(2, 3)
    assert torch.equal(run(function, x)[0], function(x)[0])


def test_recorded_noise_is_drawn_anew_in_the_same_order() -> None:
    def function(x: Tensor) -> list[Tensor]:
        return [nn.functional.dropout(x, 0.5) + torch.rand(4, 3), torch.empty_like(x).normal_(), torch.rand(4, 3)]

    x = torch.randn(4, 3)
    recorded = trace(function, [x], may_draw=True)
    outputs = [torch.zeros(4, 3) for _ in range(3)]
    program = bind(recorded, [x], outputs, Arena())
    for seed in range(3):
        with chance.seeded(seed):
            program.run()
        with chance.seeded(seed):
            expected = function(x)
        for mine, theirs in zip(outputs, expected, strict=True):
            assert torch.equal(mine, theirs)


def test_batch_norm_without_running_statistics_learns() -> None:
    def make(member: Member) -> nn.Module:
        return seeded(
            nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 3)), member.seed
        )

    pack, _ = first_step(make, 2)
    assert torch.isfinite(pack.gradients.flat).all()
    assert len(ROWS) == 200
