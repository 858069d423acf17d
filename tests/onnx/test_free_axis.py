"""One graph for series of any length: the time axis stays free."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module
from annvil.onnx.validator import check_graph

N_CHANNELS = 3


class Recurrent(nn.Module):
    """A recurrence over steps or patches; masked mean, last state, places and order statistics of time."""

    def __init__(self, kind: str, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.patches = nn.Conv1d(N_CHANNELS, 8, patch, patch) if patch > 1 else None
        n_inputs = N_CHANNELS if self.patches is None else 8
        self.recurrence = getattr(nn, kind)(n_inputs, 16, batch_first=True, num_layers=2)
        self.head = nn.Linear(32, 4)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        steps = torch.arange(values.shape[2])
        inside = (steps < lengths[:, None]).to(values.dtype)
        x = values * inside[:, None]
        if self.patches is not None:
            x = self.patches(nn.functional.pad(x, (0, self.patch - 1)))
        states, _ = self.recurrence(x.transpose(1, 2))
        weights = torch.stack([inside[:, :: self.patch], inside[:, :: self.patch] * 2], dim=1)
        pooled = (weights @ states).flatten(1)
        ranked, _ = torch.sort(values, dim=2)
        places = (values * steps).mean(dim=2).sum(dim=1, keepdim=True) / 100
        spread = values.var(dim=2, correction=0).sum(dim=1, keepdim=True)
        return self.head(pooled) + ranked[:, 0, :1] + places + spread


class RunningMaximum(nn.Module):
    """Of frames three steps apart: how many there are follows the length by rounding, and a part is cut off."""

    def forward(self, values: Tensor) -> Tensor:
        frames = values[:, :, ::3]
        for reach in (1, 2, 4):
            frames = torch.maximum(frames, nn.functional.pad(frames, (reach, 0), value=-1e30)[..., :-reach])
        return frames.sum(dim=2)


def test_a_part_of_an_axis_whose_size_is_rounded_is_cut_off() -> None:
    graph = Graph()
    name = graph.input("values", "float32", ["rows", N_CHANNELS, "time"])
    (output,) = export_module(graph, RunningMaximum(), name, examples=(torch.randn(1, N_CHANNELS, 9),), free={0: 2})
    model = graph.finish({"output": (output, "float32", ["rows", N_CHANNELS])})
    check_graph(model)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    for rows, time in ((1, 1), (2, 7), (3, 50)):
        values = np.random.default_rng(time).normal(size=(rows, N_CHANNELS, time)).astype(np.float32)
        (found,) = session.run(None, {"values": values})
        steps = np.maximum.accumulate(values[:, :, ::3], axis=2)
        far = [values[:, :, ::3][:, :, max(0, t - 7) : t + 1].max(axis=2) for t in range(steps.shape[2])]
        np.testing.assert_allclose(found, np.sum(far, axis=0), atol=1e-4)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize(("patch", "example"), [(1, 1), (1, 20), (8, 1), (16, 5)])
def test_a_graph_computes_the_same_at_any_length(kind: str, patch: int, example: int) -> None:
    torch.manual_seed(0)
    network = Recurrent(kind, patch).eval()
    graph = Graph()
    names = graph.input("values", "float32", ["rows", N_CHANNELS, "time"]), graph.input("lengths", "int64", ["rows"])
    shown = torch.randn(1, N_CHANNELS, example), torch.full((1,), example)
    (output,) = export_module(graph, network, *names, examples=shown, free={0: 2})
    model = graph.finish({"output": (output, "float32", ["rows", 4])})
    check_graph(model)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    for rows, time in ((1, 1), (2, 7), (3, 8), (4, 50), (1, 200)):
        values, lengths = torch.randn(rows, N_CHANNELS, time), torch.randint(1, time + 1, (rows,))
        (found,) = session.run(None, {"values": values.numpy(), "lengths": lengths.numpy()})
        np.testing.assert_allclose(found, network(values, lengths).detach().numpy(), atol=2e-5)


class Odd(nn.Module):
    """Asks for a size that follows the length in no simple way."""

    def forward(self, values: Tensor) -> Tensor:
        return values[:, :, : values.shape[2] // 2].sum(dim=2)


class Branching(nn.Module):
    """Computes something else where series are long."""

    def forward(self, values: Tensor) -> Tensor:
        return values.sum(dim=2) if values.shape[2] < 50 else values.sum(dim=2).tanh()


@pytest.mark.parametrize(
    ("module", "words"), [(Odd(), "follows the length of a series"), (Branching(), "another length")]
)
def test_what_does_not_hold_for_every_length_is_refused(module: nn.Module, words: str) -> None:
    graph = Graph()
    name = graph.input("values", "float32", ["rows", N_CHANNELS, "time"])
    with pytest.raises(RequestError, match=words):
        export_module(graph, module, name, examples=(torch.zeros(1, N_CHANNELS, 9),), free={0: 2})
