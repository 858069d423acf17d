"""Networks for series: padding is never seen, whatever it holds; their graphs take any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from annvil.networks.recurrent import RecurrentArchitecture, RecurrentNetwork
from annvil.networks.series_input import SeriesInput
from annvil.networks.temporal import StepNorm, TemporalArchitecture, TemporalNetwork
from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module
from annvil.onnx.validator import check_graph
from annvil.system import onnx_runtime

C, K = 2, 3


def recurrent(**options):
    return RecurrentNetwork(RecurrentArchitecture(C, K, width=8, **options))


def temporal(**options):
    return TemporalNetwork(TemporalArchitecture(C, K, width=6, **options))


NETWORKS = {
    "gru": lambda: recurrent(),
    "lstm": lambda: recurrent(cell="lstm", layers=2),
    "rnn": lambda: recurrent(cell="rnn"),
    "gru, patches": lambda: recurrent(patch=4),
    "gru, both ways": lambda: recurrent(directions=2),
    "lstm, patches, both ways, per series": lambda: recurrent(cell="lstm", patch=3, directions=2, scaling="series"),
    "tcn": lambda: temporal(layers=3),
    "tcn, learnt from equal lengths": lambda: temporal(layers=3, equal_lengths=True),
    "tcn, every second step": lambda: temporal(layers=3, stride=2),
    "lite, every fourth step": lambda: temporal(form="lite", stride=4),
    "lite": lambda: temporal(form="lite"),
    "lite, learnt from equal lengths": lambda: temporal(form="lite", equal_lengths=True),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def built(name, seed=0):
    network = NETWORKS[name]()
    network.initialise(torch.Generator().manual_seed(seed))
    network.input.look_at(*series([9, 17, 30], seed=1))
    for module in network.modules():
        if isinstance(module, StepNorm):  # as after training
            module.running_mean.uniform_(-1, 1, generator=torch.Generator().manual_seed(2))
            module.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(3))
    return network


def series(lengths, longest=None, seed=0, padding=0.0):
    """Random walks, and ``padding`` behind their ends."""
    draw = torch.Generator().manual_seed(seed)
    found = [torch.randn(C, n, generator=draw).cumsum(1) for n in lengths]
    longest = longest or max(lengths)
    return torch.stack([nn.functional.pad(x, (0, longest - x.shape[1]), value=padding) for x in found]), torch.tensor(
        lengths
    )


@pytest.mark.parametrize("padding", [0.0, 1e30, float("nan"), -7.0])
def test_the_scale_of_a_channel_is_that_of_what_lies_inside(padding):
    scale = SeriesInput(C)
    scale.look_at(*series([9, 17, 30], padding=padding))
    inside = torch.cat([series([9, 17, 30])[0][row, :, :n] for row, n in enumerate([9, 17, 30])], dim=1)
    torch.testing.assert_close(scale.mean[:, 0], inside.mean(dim=1))
    torch.testing.assert_close(scale.deviation[:, 0], inside.std(dim=1, correction=0))


@every_network
@pytest.mark.parametrize("padding", [0.0, 1e30, float("nan"), -7.0])
def test_a_series_is_seen_alone_as_in_company_and_never_what_lies_behind_its_end(name, padding):
    network = built(name).eval()
    lengths = [1, 2, 3, 4, 5, 8, 13, 40]
    with torch.no_grad():
        together = network(*series(lengths, 47, padding=padding))
        values, _ = series(lengths)
        for place, n in enumerate(lengths):
            alone = network(values[place : place + 1, :, :n], torch.tensor([n]))
            torch.testing.assert_close(alone[0], together[place], rtol=0, atol=2e-6)
    assert together.isfinite().all()


@every_network
def test_training_never_sees_what_lies_behind_the_end(name):
    """Outputs, gradients and running statistics, with other padding and more of it."""
    lengths = [3, 9, 5, 1] if "equal" not in name else [9, 9, 9]
    found = []
    for longest, padding in ((9, 0.0), (14, 5.0)) if "equal" not in name else ((9, 0.0), (9, 5.0)):
        network = built(name).train()
        output = network(*series(lengths, longest, padding=padding))
        output.square().sum().backward()
        gradients = [one.grad for one in network.parameters()]
        found.append([output.detach(), *gradients, *network.buffers()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@every_network
def test_the_graph_says_the_same_at_any_length(name):
    network = built(name)
    graph = Graph()
    raw = graph.input("values", "float32", ["rows", C, "time"]), graph.input("lengths", "int64", ["rows"])
    (output,) = export_module(graph, network, *raw, examples=network.examples(), free={0: 2})
    model = graph.finish({"scores": (output, "float32", ["rows", K])})
    check_graph(model)
    session = onnx_runtime.session(model, 1)
    network.eval()
    for lengths in ([1], [5], [1, 7, 64, 3], [200, 2], [33] * 3):
        values, counts = series(lengths, padding=3.0)
        values[0, 0] = torch.nan
        (scores,) = session.run(None, {"values": values.numpy(), "lengths": counts.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(scores, network(values, counts).numpy(), rtol=0, atol=1e-5)


def test_masked_normalisation_is_that_of_the_steps_alone():
    mine, theirs = StepNorm(C), nn.BatchNorm1d(C)
    values, lengths = series([4, 9, 2], padding=100.0)
    mask = (torch.arange(9) < lengths[:, None])[:, None].float()
    mine(values, mask)
    steps = torch.cat([values[row, :, :n] for row, n in enumerate(lengths.tolist())], 1)[None]
    expected = theirs(steps)
    torch.testing.assert_close(mine(values, mask)[1, :, :9], expected[0, :, 4:13], rtol=1e-4, atol=1e-4)
    mine = StepNorm(C)
    mine(values, mask)
    torch.testing.assert_close(mine.running_var, theirs.running_var)
    torch.testing.assert_close(mine.running_mean, theirs.running_mean)


def test_changes_are_differences_in_parts_of_what_is_usual_in_training():
    """Of steps that are there; the first has no step before it."""
    for scaling in ("channel", "series"):
        one = SeriesInput(C, scaling, changes=True)
        values, lengths = series([9, 17, 30], padding=50.0)
        one.look_at(values, lengths)
        both, mask = one(values, lengths)
        x, changes = both.split(C, dim=1)
        for row, n in enumerate([9, 17, 30]):
            expected = x[row, :, :n].diff(dim=1) / one.usual_change
            torch.testing.assert_close(changes[row, :, 1:n], expected)
        assert not changes[:, :, 0].any()
        assert not (both * (1 - mask)).any()
        mean_square = changes.square().sum(dim=(0, 2)) / mask.sum()
        torch.testing.assert_close(mean_square, torch.ones(C))
