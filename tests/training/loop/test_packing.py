"""Packs keep kinds apart and fit their memory; workers share them evenly."""

from __future__ import annotations

import numpy as np
import pytest
from tests.training.helpers import ROWS, small_network, table

from annvil.training import Member, Recipe
from annvil.training.loop import workers as packing
from annvil.training.loop.batches import BatchShape
from annvil.training.loop.bound_step import probe
from annvil.training.loop.engine import _check
from annvil.training.loop.job import TrainingJob

NUMBERS, CLASSES = table()


def job(members: list[Member]) -> TrainingJob:
    return _check(small_network, (NUMBERS,), CLASSES, members, Recipe(1, batch_size=32), "cross-entropy", None, None)


def test_members_of_one_shape_share_packs_sorted_by_settings() -> None:
    sizes, rates = (140, 40, 140, 139, 40), (2e-3, 1e-3, 1e-3, 2e-3, 1e-3)
    members = [Member(ROWS[:n], ROWS[140:], 0, rate) for n, rate in zip(sizes, rates, strict=True)]
    assert packing.cut(job(members), range(5)) == [[1, 4], [2, 0, 3]]


def test_a_pack_fits_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [Member(ROWS[:140], ROWS[140:], seed) for seed in range(10)]
    made = job(members)
    per_member = probe(made, BatchShape.of(members[0], made.recipe)).scratch_bytes
    assert per_member > 28 * 6 * 4  # at least its batch
    monkeypatch.setattr(packing, "MOST_SCRATCH", 4 * per_member)
    assert [len(pack) for pack in packing.cut(made, range(10))] == [3, 3, 4]
    monkeypatch.setattr(packing, "MOST_SCRATCH", 1)
    assert [len(pack) for pack in packing.cut(made, range(5))] == [1, 2, 2]


def test_each_worker_gets_a_pack_if_members_are_many() -> None:
    made = job([Member(ROWS[:140], ROWS[140:], seed) for seed in range(20)])
    assert [len(pack) for pack in packing.cut(made, range(20))] == [20]
    assert [len(pack) for pack in packing.cut(made, range(20), workers=2)] == [10, 10]
    assert [len(pack) for pack in packing.cut(made, range(7), workers=2)] == [7]


def test_workers_get_equally_many_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [Member(ROWS[:140], ROWS[140:], seed) for seed in range(10)]
    made = job(members)
    monkeypatch.setattr(packing, "MOST_SCRATCH", 4 * probe(made, BatchShape.of(members[0], made.recipe)).scratch_bytes)
    assert [len(pack) for pack in packing.cut(made, range(10))] == [3, 3, 4]
    assert [len(pack) for pack in packing.cut(made, range(10), workers=2)] == [2, 3, 2, 3]
    assert [len(pack) for pack in packing.cut(made, range(5), workers=2)] == [2, 3]


def test_the_largest_packs_are_dealt_first() -> None:
    owners = packing.share([5, 9, 4, 4, 4], 2)
    loads = [sum(np.array([5, 9, 4, 4, 4])[np.array(owners) == worker]) for worker in range(2)]
    assert sorted(loads) == [13, 13]
    assert packing.share([1.0], 3) == [0]
