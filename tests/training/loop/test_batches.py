"""Batches: every row once an epoch, equal steps, nothing that depends on others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from annvil.training import Member, Recipe
from annvil.training.loop.batches import BatchShape, Layouts, mix
from annvil.training.recipe import Batches

ROWS = np.arange(1000, 2000)


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 700), validation=st.integers(0, 900), batch=st.integers(1, 300), epoch=st.integers(0, 3))
def test_an_epoch_has_every_row_once(rows: int, validation: int, batch: int, epoch: int) -> None:
    member = Member(ROWS[:rows], np.arange(validation), seed=3)
    shape = BatchShape.of(member, Recipe(1, batch_size=batch))
    layouts = Layouts([member], shape, None)
    order = layouts.order(epoch)
    weights = layouts.weights(order)
    assert order.shape == weights.shape == (shape.steps, 1, shape.batch)
    assert shape.batch <= batch
    assert sorted(order[weights > 0].tolist()) == ROWS[:rows].tolist()
    assert weights.sum(2) == pytest.approx(1)
    counts = (weights > 0).sum(2)
    assert counts.max() - counts.min() <= 1
    rows_of_validation, weights_of_validation = layouts.validation()
    assert sorted(rows_of_validation[weights_of_validation > 0].tolist()) == list(range(validation))
    assert weights_of_validation.sum() == pytest.approx(1 if validation else 0)


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    members = [Member(ROWS[:100], ROWS[:10], seed=seed) for seed in (1, 2, 1)]
    shape = BatchShape.of(members[0], Recipe(1, batch_size=40))
    together = Layouts(members, shape, None).order(5)
    alone = Layouts(members[:1], shape, None).order(5)
    assert torch.equal(together[:, 0], alone[:, 0])
    assert torch.equal(together[:, 0], together[:, 2])
    assert not torch.equal(together[:, 0], together[:, 1])
    assert not torch.equal(together, Layouts(members, shape, None).order(6))


def test_folds_that_differ_by_a_row_share_a_shape() -> None:
    recipe = Recipe(1, batch_size=256)
    shapes = {BatchShape.of(Member(ROWS[:n], ROWS[: 426 - n], seed=0), recipe) for n in (340, 341)}
    assert shapes == {BatchShape(2, 176, 1, 96)}


def test_row_weights_are_normalised_within_each_batch() -> None:
    weights = torch.arange(2000.0)
    member = Member(ROWS[:50], ROWS[50:60], seed=0)
    layouts = Layouts([member], BatchShape.of(member, Recipe(1, batch_size=20)), weights)
    order = layouts.order(0)
    found = layouts.weights(order)
    first = order[0, 0][found[0, 0] > 0].long()
    assert found[0, 0][found[0, 0] > 0] == pytest.approx((weights[first] / weights[first].sum()).numpy())


def test_mix_spreads_close_numbers() -> None:
    values = {mix(seed, epoch) for seed in range(100) for epoch in range(100)}
    assert len(values) == 10_000
    assert all(0 <= value < 2**63 for value in values)
    bits = np.array([[value >> bit & 1 for bit in range(63)] for value in sorted(values)])
    assert abs(bits.mean(0) - 0.5).max() < 0.03


@pytest.mark.parametrize(("rows", "most"), [(512, 256), (1000, 256), (4097, 100), (54_000, 256)])
def test_trimmed_steps_are_multiples_of_32_and_leave_out_fewer_than_32_rows(rows: int, most: int) -> None:
    member = Member(np.arange(rows), ROWS[:0], seed=3)
    shape = BatchShape.of(member, Recipe(1, batch_size=most, batches="trimmed"))
    sizes = [shape.rows_of(step) for step in range(shape.steps)]
    assert rows - 32 < sum(sizes) == shape.rows <= rows
    assert all(size % 32 == 0 and 0 < size <= most for size in sizes)
    assert max(sizes) - min(sizes) <= 32
    layouts = Layouts([member], shape, None)
    first, second = (_rows_of_epoch(layouts, epoch, sizes) for epoch in (0, 1))
    assert len(first) == len(set(first)) == sum(sizes)
    assert rows % 32 == 0 or set(first) != set(second)


def test_few_rows_are_not_trimmed() -> None:
    member = Member(np.arange(500), ROWS[:0], seed=3)
    trimmed, unpadded = (BatchShape.of(member, Recipe(1, batch_size=64, batches=name)) for name in _BOTH)
    assert trimmed == unpadded


_BOTH: tuple[Batches, Batches] = ("trimmed", "unpadded")


def _rows_of_epoch(layouts: Layouts, epoch: int, sizes: list[int]) -> list[int]:
    order = layouts.order(epoch)
    weights = layouts.weights(order)
    found: list[int] = []
    for step, size in enumerate(sizes):
        assert bool((weights[step, 0, :size] > 0).all())
        assert float(weights[step, 0].sum()) == pytest.approx(1.0)
        found += order[step, 0, :size].tolist()
    return found
