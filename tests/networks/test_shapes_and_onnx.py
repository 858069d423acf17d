"""Every network: trained as a population, its gradient autograd's, its ONNX form the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from annvil.networks import (
    DenseNetwork,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    SharedEnsemble,
    quantile_edges,
)
from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module
from annvil.training import Member, Recipe, train_population
from annvil.training.loop.bound_step import Workspace
from annvil.training.loop.engine import _check
from annvil.training.loop.pack import Pack

N_NUMBERS, CARDINALITIES = 7, [3, 11]
DRAW = torch.Generator().manual_seed(1)
NUMBERS = torch.randn(300, N_NUMBERS, generator=DRAW)
CODES = torch.stack([torch.randint(0, n, (300,), generator=DRAW) for n in CARDINALITIES], 1)
CLASSES = ((NUMBERS[:, 0] > 0) ^ (CODES[:, 0] == 1)).long()

Make = Callable[[torch.Generator], nn.Module]


def piecewise(g: torch.Generator) -> PiecewiseLinearEmbedding:
    skewed = NUMBERS[:, :5].clone()
    skewed[:, 1] = (skewed[:, 1] > 1).float()  # two values: one bin
    return PiecewiseLinearEmbedding(quantile_edges(skewed.numpy(), 6), g, size=4)


def dense(g: torch.Generator, **options: object) -> DenseNetwork:
    settings: dict[str, object] = {"widths": (12, 10)} | options
    return DenseNetwork(N_NUMBERS, CARDINALITIES, 2, g, **settings)  # type: ignore[arg-type]


def shared(g: torch.Generator, **options: object) -> SharedEnsemble:
    settings: dict[str, object] = {"widths": (12, 10), "k": 4} | options
    return SharedEnsemble(N_NUMBERS, CARDINALITIES, 2, g, **settings)  # type: ignore[arg-type]


NETWORKS: dict[str, Make] = {
    "plain": lambda g: dense(g, parametric=False, scale=False, activation="relu", ntk=False),
    "RealMLP": lambda g: dense(g, embedding=PeriodicEmbedding(5, g), embedded=5, dropout=0.15),
    "RealMLP, all columns embedded, Mish": lambda g: dense(
        g, embedding=PeriodicEmbedding(7, g), embedded=7, activation="mish"
    ),
    "SiLU, last layer zero": lambda g: dense(g, activation="silu", zero_last=True),
    "piecewise linear": lambda g: dense(g, embedding=piecewise(g), embedded=5),
    "TabM": lambda g: shared(g),
    "TabM, piecewise linear": lambda g: shared(g, embedding=piecewise(g), embedded=5, dropout=None),
    "TabM-mini, periodic": lambda g: shared(g, mini=True, embedding=PeriodicEmbedding(5, g), embedded=5),
}


def built(name: str, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    network = NETWORKS[name](generator)
    if isinstance(network, DenseNetwork):
        network.fit_initial_weights(NUMBERS, CODES, generator)
    return network


def in_onnx(network: nn.Module, numbers: Tensor, codes: Tensor) -> np.ndarray:
    graph = Graph()
    values = (
        graph.input("numbers", "float32", ["rows", numbers.shape[1]]),
        graph.input("codes", "int64", ["rows", codes.shape[1]]),
    )
    (output,) = export_module(graph, network, *values, examples=network.examples())  # type: ignore[operator]
    n_axes = network(numbers[:2], codes[:2]).dim()
    model = graph.finish({"output": (output, "float32", ["rows", *("k2"[: n_axes - 1])])})
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"numbers": numbers.numpy(), "codes": codes.numpy()})[0]  # type: ignore[no-any-return]


def randomised(network: nn.Module) -> nn.Module:
    """Away from special initial values, such as scales of 1."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network.eval()


@pytest.mark.parametrize("rows", [1, 2, 7, 256])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_onnx_form_gives_the_same_numbers(name: str, rows: int) -> None:
    network = randomised(built(name))
    with torch.no_grad():
        expected = network(NUMBERS[:rows], CODES[:rows]).numpy()
    found = in_onnx(network, NUMBERS[:rows], CODES[:rows])
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_population_learns_and_its_members_are_what_they_are_alone(name: str) -> None:
    population = [
        Member(np.arange(220), np.arange(220, 300), seed=seed, learning_rate=0.02, weight_decay=0.01, dropout=0.1)
        for seed in range(3)
    ]
    recipe = Recipe(12, batch_size=64, betas=(0.9, 0.95))

    def make(member: Member) -> nn.Module:
        return built(name, member.seed)

    together = train_population(make, (NUMBERS, CODES), CLASSES, population, recipe, "cross-entropy")
    alone = train_population(make, (NUMBERS, CODES), CLASSES, population[1:2], recipe, "cross-entropy")
    for mine, theirs in zip(alone.network(0).parameters(), together.network(1).parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    assert (together.validation_loss < 0.6).all()
    outputs = together.predict((NUMBERS, CODES), members=[2])
    torch.testing.assert_close(outputs[0], together.network(2)(NUMBERS, CODES).detach())


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_traced_gradient_is_autograds(name: str) -> None:
    population = [Member(np.arange(96), np.arange(0), seed, learning_rate=0.0, dropout=0.2) for seed in range(2)]
    networks = [randomised(built(name, member.seed)).train() for member in population]
    job = _check(
        lambda m: networks[m.seed], (NUMBERS, CODES), CLASSES, population, Recipe(1, 48), "cross-entropy", None
    )
    pack = Pack(job, [0, 1], *job.layout.stack(networks), Workspace())
    pack.begin_epoch(0)
    pack.run_steps(0, 1)
    for k, network in enumerate(networks):
        noise = dict(zip(job.layout.buffers, pack.buffers, strict=True))
        for path, buffer in network.named_buffers():
            buffer.copy_(noise[path][k])
        rows = pack.batches[0][0][k].long()
        outputs = network(NUMBERS[rows], CODES[rows])
        heads = outputs.unsqueeze(1) if outputs.dim() == 2 else outputs
        losses = [torch.nn.functional.cross_entropy(heads[:, i], CLASSES[rows]) for i in range(heads.shape[1])]
        parameters = dict(network.named_parameters())
        gradients = torch.autograd.grad(sum(losses) / len(losses), [parameters[path] for path in job.layout.names])  # type: ignore[arg-type]
        for path, expected, view in zip(job.layout.names, gradients, pack.views(pack.gradients.flat), strict=True):
            torch.testing.assert_close(view[k], expected, rtol=1e-4, atol=1e-6, msg=f"{name}: {path}")


def test_without_numbers_and_without_categories() -> None:
    g = torch.Generator().manual_seed(0)
    none = torch.zeros(5, 0, dtype=torch.int64)
    only_numbers = DenseNetwork(3, [], 1, g, widths=(4,))
    only_codes = DenseNetwork(0, [3], 1, g, widths=(4,))
    assert only_numbers(torch.randn(5, 3), none).shape == (5, 1)
    assert only_codes(torch.zeros(5, 0), torch.tensor([[0], [1], [2], [0], [1]])).shape == (5, 1)
