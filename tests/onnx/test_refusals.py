"""What cannot be exported is said in one sentence that names the operation and the module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.onnx.parity import Calls, graph_of
from torch import Tensor, nn

from annvil.errors import AnnvilError


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x if x.sum() > 0 else -x, "reads values"),
        (lambda x: x * x[0, 0].item(), "reads values"),
        (lambda x: x + torch.rand(4), "draws random numbers"),
        (lambda x: nn.functional.dropout(x, 0.5), "random numbers"),
        (lambda x: x[x > 0], "shape hangs on values"),
        (lambda x: torch.linalg.svd(x[:, :, None])[1], "cannot be exported: Annvil knows no ONNX for it"),
        (lambda x: x * 2 if len(x) % 2 else x + 1, "other operations for another number of rows"),
        (lambda x: x * (1 / x.shape[0]), "follows the number of rows in no simple way"),
        (lambda x: x.repeat(len(x), 1), "follows the number of rows in no simple way"),
        (lambda x: None, "returns no tensor"),
        (lambda x: x.std(0), "over the rows of a batch"),
    ],
)
def test_refusals(function: Any, message: str) -> None:
    with pytest.raises(AnnvilError, match=message):
        graph_of(Calls(function), torch.randn(2, 4))


def test_the_place_is_named() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), Calls(lambda x: torch.linalg.svd(x[:, None])[1])))
    with pytest.raises(AnnvilError, match=r"aten\..*svd.* at Sequential > 1 \(Sequential\) > 1\.1 \(Calls\)"):
        graph_of(net, torch.randn(2, 4))


def test_a_buffer_that_changes() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.count += 1
            return x * self.count

    with pytest.raises(AnnvilError, match="lives on, such as a buffer"):
        graph_of(Counts(), torch.randn(2, 4))


def test_the_mode_comes_back_and_weights_stay() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4)).train()
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.requires_grad_(True)
    from annvil.onnx.builder import Graph
    from annvil.onnx.export import export_module

    graph = Graph()
    export_module(graph, net, graph.input("x", "float32", ["rows", 4]), examples=(torch.zeros(1, 4),))
    assert net.training
    assert net[2].training
    assert not net[1].training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    net(torch.randn(3, 4)).sum().backward()
    assert net[0].weight.grad is not None
