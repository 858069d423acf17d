"""Recurrent layers as one operation say, and learn, what PyTorch's own do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from annvil.training.graph.recurrences import AsOneOperation, has_form_for_members

KINDS: list[tuple[type[nn.RNNBase], dict[str, Any]]] = [
    (nn.GRU, {}),
    (nn.GRU, {"batch_first": True}),
    (nn.GRU, {"num_layers": 2, "bidirectional": True}),
    (nn.GRU, {"bias": False, "batch_first": True}),
    (nn.RNN, {}),
    (nn.RNN, {"nonlinearity": "relu", "num_layers": 3}),
    (nn.RNN, {"bias": False, "bidirectional": True}),
]


def made(kind: type[nn.RNNBase], settings: dict[str, Any], seed: int = 0) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(3, 5, **settings)


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def results(network: nn.RNNBase, x: Tensor, begin: Tensor) -> list[Tensor]:
    y, end = network(x, begin)
    loss = (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum() + (end * end).sum()
    return [y, end, *torch.autograd.grad(loss, [x, begin, *network.parameters()])]


@pytest.mark.parametrize(("kind", "settings"), KINDS)
@pytest.mark.parametrize(("rows", "steps"), [(4, 7), (1, 1), (3, 1), (1, 30)])
def test_outputs_states_and_all_gradients_are_those_of_pytorch(kind, settings, rows, steps):
    network = made(kind, settings)
    x = drawn(*((rows, steps) if network.batch_first else (steps, rows)), 3)
    begin = drawn(network.num_layers * (1 + network.bidirectional), rows, 5)
    expected = results(network, x, begin)
    with AsOneOperation():
        found = results(network, x, begin)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_many_members_at_once_are_each_as_alone(kind, settings):
    networks = [made(kind, settings, seed) for seed in range(3)]
    parameters, _ = stack_module_state(networks)
    x = drawn(3, 6, 4, 3)

    def one(state: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return functional_call(networks[0], state, (inputs,))[0].square().sum()

    with AsOneOperation():
        losses = vmap(one)(parameters, x)
    together = torch.autograd.grad(losses.sum(), list(parameters.values()))
    for member, network in enumerate(networks):
        loss = network(x[member])[0].square().sum()
        torch.testing.assert_close(losses[member], loss)
        alone = torch.autograd.grad(loss, list(network.parameters()))
        for one_, other in zip(alone, together, strict=True):
            torch.testing.assert_close(one_, other[member], rtol=1e-4, atol=1e-5)


def test_what_it_does_not_know_is_left_to_pytorch():
    packed = nn.utils.rnn.pack_padded_sequence(drawn(4, 3, 3), torch.tensor([4, 3, 1]), enforce_sorted=True)
    for network, given in (
        (made(nn.LSTM, {}), drawn(7, 2, 3)),
        (made(nn.GRU, {}), packed),
        (made(nn.GRU, {}).double(), drawn(7, 2, 3).detach().double()),
    ):
        expected = network(given)
        with AsOneOperation():
            found = network(given)
        for one, other in zip(found[0], expected[0], strict=True):
            assert one is other or torch.equal(one, other)
    assert not has_form_for_members(made(nn.LSTM, {}))
    assert not has_form_for_members(made(nn.GRU, {"num_layers": 2, "dropout": 0.5}))
    assert has_form_for_members(nn.Sequential(made(nn.GRU, {}), nn.Linear(3, 3)))


def test_the_compiler_of_pytorch_is_not_imported():
    import subprocess
    import sys

    code = (
        "import sys, torch; from annvil.training.graph.recurrences import AsOneOperation\n"
        "n = torch.nn.GRU(2, 3)\nwith AsOneOperation():\n    n(torch.ones(4, 1, 2))[0].sum().backward()\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
