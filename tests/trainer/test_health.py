"""Sick networks are named, healthy ones are left in peace."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from annvil.trainer.monitoring.health import HealthMonitor, LayerHealth, judge


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(400, 12, generator=generator)
    return X, ((X[:, 0] * X[:, 1] + X[:, 2]) > 0).long()


def dense(act, depth=2, width=32, scale=1.0, bias=None, inputs=12):
    torch.manual_seed(1)
    layers = []
    for i in range(depth):
        layers += [nn.Linear(inputs if i == 0 else width, width), act()]
    network = nn.Sequential(*layers, nn.Linear(width, 2))
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(scale)
                if bias is not None:
                    layer.bias.fill_(bias)
    return network


def trained(network, X, y, rate=0.05, epochs=12):
    """Trained by PyTorch, watched as the engine lets it be watched."""
    optimizer = torch.optim.SGD(network.parameters(), rate, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    watch = HealthMonitor((X,))
    for epoch in range(1, epochs + 1):
        losses = []
        for rows in torch.randperm(len(X), generator=generator).split(50):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        gradients = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
        look = SimpleNamespace(training=(0,), network=lambda k: network, gradients=lambda k, own=gradients: own)
        watch.on_epoch(SimpleNamespace(epoch=epoch, train_loss=np.array([np.mean(losses)])), look)
    return watch.health()


@pytest.mark.parametrize(
    "make",
    [
        lambda: dense(nn.ReLU),
        lambda: dense(nn.Tanh),
        lambda: dense(nn.ReLU, depth=5),
        lambda: nn.Sequential(
            nn.Unflatten(1, (1, 12)), nn.Conv1d(1, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten(), nn.Linear(80, 2)
        ),
    ],
)
def test_healthy_networks_are_left_in_peace(data, make):
    torch.manual_seed(0)
    health = trained(make(), *data)
    assert health.sentences == ()
    assert health.is_well
    assert str(health) == "Nothing wrong was found."
    assert all(math.isfinite(layer.gradient) for layer in health.layers)


def test_gradients_vanish_in_twenty_layers_of_sigmoids(data):
    health = trained(dense(nn.Sigmoid, depth=20), *data)
    assert health.sentences[0].startswith("Gradients vanish: beside its weights, layer 1 (Linear) gets 10^")
    assert "less gradient than layer 21 (Linear)" in health.sentences[0]
    assert "ReLU or GELU instead of sigmoid" in health.sentences[0]


def test_huge_initial_weights_explode(data):
    health = trained(dense(nn.ReLU, depth=8, scale=30.0), *data, rate=1e-9)
    assert "explode" in health.sentences[0]
    assert "smaller initial weights" in health.sentences[0]


def test_units_with_very_negative_biases_are_dead(data):
    health = trained(dense(nn.ReLU, bias=-9.0), *data, rate=1e-3)
    assert health.sentences[0].startswith("Layer 1 (Linear): 32 of 32 units are dead")
    assert (health.layers[0].dead, health.layers[0].units) == (32, 32)
    assert health.layers[0].gradient == 0


def test_huge_weights_saturate_tanh(data):
    health = trained(dense(nn.Tanh, scale=30.0), *data, rate=1e-3)
    assert "Layer 1 (Linear): 8" in health.sentences[0] or "Layer 1 (Linear): 9" in health.sentences[0]
    assert "at its ends" in health.sentences[0]


def test_a_rate_of_nothing_does_not_let_the_loss_fall(data):
    health = trained(dense(nn.ReLU), *data, rate=1e-9)
    assert health.sentences[0].startswith("The training loss has not fallen in 12 epochs (0.7")


def test_what_a_layer_gives_is_measured_after_its_activation_and_by_unit():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1), nn.Sigmoid())
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))
        network[0].bias.zero_()
    rows = torch.tensor([[1.0, 3.0], [2.0, 4.0]])  # the third unit gives -4 and -6
    watch = HealthMonitor((rows,))
    gradients = {"0.weight": torch.full((3, 2), 0.5), "0.bias": torch.ones(3)}
    look = SimpleNamespace(training=(0,), network=lambda k: network, gradients=lambda k: gradients)
    watch.on_epoch(SimpleNamespace(epoch=1, train_loss=np.array([1.0])), look)
    first, second = watch.health().layers
    assert (first.layer, first.name, first.units, first.dead) == ("Layer 1 (Linear)", "0", 3, 1)
    assert first.mean == pytest.approx(10 / 6)
    assert first.spread == pytest.approx(np.std([1, 3, 0, 2, 4, 0]))
    assert first.gradient == pytest.approx(math.sqrt(6 / 4) / 2)
    assert math.isnan(second.gradient)
    assert second.saturated == 0  # what a network answers may be sure


def test_activations_written_as_functions_are_seen_and_channels_are_units():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.filters = nn.Conv2d(1, 4, 3)
            self.head = nn.Linear(4, 2)
            nn.init.constant_(self.filters.bias, -100.0)

        def forward(self, x):
            return self.head(torch.relu(self.filters(x)).amax((2, 3)))

    watch = HealthMonitor((torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)),))
    network = Functional().train()
    watch._look(network, 1)
    assert (watch.health().layers[0].dead, watch.health().layers[0].units) == (4, 4)
    assert network.training
    assert not network.filters._forward_hooks


def test_a_unit_of_a_layer_used_twice_is_dead_if_it_is_silent_both_times():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(2, 2, bias=False), nn.Linear(2, 1)
            self.first.weight.data = torch.tensor([[1.0, 0.0], [0.0, -1.0]])

        def forward(self, x):
            return self.head(torch.relu(self.first(x)) + torch.relu(self.first(-x)))

    watch = HealthMonitor((torch.tensor([[1.0, 0.0], [2.0, 0.0]]),))
    watch._look(Twice(), 1)
    assert watch.health().layers[0].dead == 1


def test_a_loss_that_is_no_number_is_named_with_its_epoch():
    sentences = judge([], [0.7, math.nan], 1.0)
    assert len(sentences) == 1
    assert sentences[0].startswith("The training loss became infinite or no number in epoch 2")
    assert judge([], [0.7], 1.0, diverged=True)


def layer(number, gradient, spread=1.0, kind="Linear"):
    return LayerHealth(f"Layer {number} ({kind})", "", gradient, 0.0, spread, 8, 0, 0.0)


def test_one_odd_look_among_many_is_no_illness():
    fine, odd = [layer(i, 1.0) for i in (1, 2, 3)], [layer(1, 1e-6), layer(2, 1.0), layer(3, 1.0)]
    assert judge([fine, odd, fine], [1.0, 0.5], 1.0) == []
    assert judge([odd, odd, fine], [1.0, 0.5], 1.0)


def test_an_embedding_is_not_the_first_layer_of_a_gradient():
    layers = [layer(1, 1e-9, kind="Embedding"), layer(2, 1.0), layer(3, 1.0), layer(4, 1.0)]
    assert judge([layers], [1.0, 0.5], 1.0) == []


def test_inputs_in_large_numbers_are_no_explosion():
    layers = [layer(1, 1.0, spread=5e5), layer(2, 1.0), layer(3, 1.0)]
    assert judge([layers], [1.0, 0.5], 1e5) == []
    assert "Activations explode" in judge([layers], [1.0, 0.5], 1.0)[0]


def test_looks_are_few():
    watch = HealthMonitor((torch.zeros(2, 3),))
    looked = []
    watch._look = lambda network, epoch, gradients: looked.append(epoch)
    look = SimpleNamespace(training=(0,), network=lambda k: None, gradients=lambda k: {})
    for epoch in range(1, 101):
        watch.on_epoch(SimpleNamespace(epoch=epoch, train_loss=np.array([1.0])), look)
    assert looked == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96]
    assert len(watch.losses) == 100
