"""Which operations are rounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from tests.training.helpers import members, small_network, table
from torch import Tensor, nn

from annvil.training import Member, Recipe, train_population
from annvil.training.graph.memory_plan import Arena
from annvil.training.graph.nodes import Trace
from annvil.training.graph.precision import LEAST, in_bfloat16
from annvil.training.graph.program import bind
from annvil.training.graph.tracing import trace
from annvil.training.loop.bound_step import Workspace
from annvil.training.loop.engine import _check
from annvil.training.loop.pack import Pack


def names(recorded: Trace) -> list[tuple[str, torch.dtype]]:
    return [(node.op._opname, node.form.dtype) for node in recorded.nodes if node.op is not None]


def test_only_large_products_are_rounded_and_each_factor_once() -> None:
    def function(x: Tensor, w: Tensor, small: Tensor) -> list[Tensor]:
        h = torch.bmm(x, w)
        return [torch.bmm(h, small), torch.bmm(x.transpose(1, 2), h)]

    generator = torch.Generator().manual_seed(0)
    shapes = (2, LEAST, LEAST), (2, LEAST, LEAST), (2, LEAST, 8)
    inputs = [torch.randn(shape, generator=generator) for shape in shapes]
    recorded = trace(function, inputs)
    rounded = in_bfloat16(recorded, 0)
    assert [dtype for name, dtype in names(recorded)] == [torch.float32] * 3
    products = [dtype for name, dtype in names(rounded) if name == "bmm"]
    assert sorted(map(str, products)) == ["torch.bfloat16", "torch.bfloat16", "torch.float32"]
    # Rounded: x and w; h stays as it is. Widened: h for the small product, and what the function returns.
    copies = [dtype for name, dtype in names(rounded) if name == "_to_copy"]
    assert (copies.count(torch.bfloat16), copies.count(torch.float32)) == (2, 2)
    outputs = [torch.zeros(node.form.shape) for node in rounded.outputs]
    bind(rounded, inputs, outputs, Arena()).run()
    for mine, exact in zip(outputs, function(*inputs), strict=True):
        assert (mine - exact).abs().max() < 0.02 * exact.abs().max()
        assert not torch.equal(mine, exact)


def test_a_product_with_a_summand() -> None:
    def function(b: Tensor, x: Tensor, w: Tensor) -> list[Tensor]:
        return [torch.addmm(b, x, w)]

    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator) for shape in ((LEAST,), (LEAST, LEAST), (LEAST, LEAST))]
    rounded = in_bfloat16(trace(function, inputs), 0)
    assert [name for name, _ in names(rounded)] == ["_to_copy"] * 3 + ["addmm", "_to_copy"]
    output = torch.zeros(LEAST, LEAST)
    bind(rounded, inputs, [output], Arena()).run()
    assert (output - function(*inputs)[0]).abs().max() < 0.3


def test_a_mask_is_compared_in_float32_and_rounded_when_it_is_used() -> None:
    # Noise in bfloat16 would keep a share of 0.75 where 0.748 is asked for.
    def function(weight: Tensor, noise: Tensor, x: Tensor) -> list[Tensor]:
        return [(x @ weight) * (noise >= 0.252).float() @ weight, (noise >= 0.252).float().sum()]

    generator = torch.Generator().manual_seed(0)
    weight = torch.eye(LEAST)
    noise, x = torch.rand(LEAST, LEAST, generator=generator), torch.ones(LEAST, LEAST)
    rounded = in_bfloat16(trace(function, [weight, noise, x]), 2)
    (comparison,) = (node for node in rounded.nodes if node.op is not None and node.op._opname == "ge")
    assert comparison.args[0].form.dtype == torch.float32
    outputs = [torch.zeros(LEAST, LEAST), torch.zeros(())]
    bind(rounded, [weight, noise, x], outputs, Arena()).run()
    assert torch.equal(outputs[0], (noise >= 0.252).float())


def test_small_images_are_learnt_as_well_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annvil.training.graph.precision.LEAST_CONVOLVED", 1000)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    classes = torch.tensor(digits.target)
    train, test = np.arange(1200), np.arange(1200, len(classes))

    def make(member: Member) -> nn.Module:
        torch.manual_seed(member.seed)
        first = nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        second = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)
        return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(128, 10))

    losses = {}
    for precision in ("float32", "bfloat16"):
        recipe = Recipe(3, batch_size=100, precision=precision)
        runs = [
            train_population(
                make, (images,), classes, [Member(train, test, 0, learning_rate=3e-3)], recipe, "cross-entropy"
            )
            for _ in range(2)
        ]
        assert runs[0].choices["precision"] == precision
        for one, other in zip(runs[0].network(0).parameters(), runs[1].network(0).parameters(), strict=True):
            assert torch.equal(one, other)  # the same request gives the same bytes
        losses[precision] = runs[0].histories[0]["validation_loss"]
    assert losses["float32"][-1] < 1  # from 2.3
    assert losses["bfloat16"] != losses["float32"]
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.1)


def test_weights_that_are_not_finite_show_in_the_training_loss() -> None:
    numbers, classes = table()
    job = _check(small_network, (numbers,), classes, members(3), Recipe(1, batch_size=64), "cross-entropy", None)
    pack = Pack(job, range(3), *job.layout.stack([small_network(member) for member in members(3)]), Workspace())
    pack.begin_epoch(0)
    pack.run_steps(0, 1)
    assert np.isfinite(pack.mean_losses()).all()
    pack.views(pack.parameters)[1][1].fill_(torch.inf)
    assert np.isfinite(pack.mean_losses()).tolist() == [True, False, True]
