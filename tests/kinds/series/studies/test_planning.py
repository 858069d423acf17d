"""Plans fit their budgets, and series are changed as is said."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from annvil.data.dataset import Dataset
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.studies.planning import (
    AT_LEAST,
    ROOM_SHARE,
    SHORTEST,
    THOROUGH,
    plan_study,
    seconds_of,
)
from annvil.kinds.series.studies.rearranged import last_part, last_steps, shuffled
from annvil.kinds.series.studies.sides import MAIN, sides_for
from annvil.tasks.union import make_task


def form_of(longest, channels=1):
    return SeriesForm(tuple(f"c{place}" for place in range(channels)), longest, longest)


@pytest.mark.parametrize("budget", [10, 30, 120, 600, 3600])
@pytest.mark.parametrize(
    ("n_train", "longest", "channels"), [(20, 24, 1), (600, 136, 1), (6_000, 128, 6), (300, 9_000, 2)]
)
def test_a_plan_fits_its_budget_or_is_the_least(budget, n_train, longest, channels):
    form = form_of(longest, channels)
    sides = sides_for(form, 2)
    plan = plan_study(form, sides, n_train, n_train // 3, 2, budget, 0, "digest")
    keys = [(part.key, side) for part in plan.parts() for side in part.sides]
    assert len(keys) == len(set(keys))
    assert keys[: len(MAIN)] == [("whole-0", side) for side in MAIN]
    room = ROOM_SHARE * budget
    if seconds_of(plan, form, sides) > room:
        assert (plan.trainings, plan.scale) == THOROUGH[-1]
        assert plan.n_steps <= SHORTEST or seconds_of(plan, form, sides, AT_LEAST) <= room
    assert plan == plan_study(form, sides, n_train, n_train // 3, 2, budget, 0, "digest")


def test_more_time_is_never_less_careful():
    form, n = form_of(100), 300
    plans = [plan_study(form, sides_for(form, 2), n, 100, 2, budget, 0, "") for budget in (10, 40, 160, 640, 2560)]
    careful = [plan.trainings * plan.scale for plan in plans]
    assert careful == sorted(careful)
    assert careful[-1] == 5.0


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 5))
def test_shuffled_steps_are_the_same_steps_in_one_order_for_all(lengths, seed):
    """Channels of a step stay together; two series of one length are permuted alike."""
    values = [np.stack([np.arange(n), 100.0 + np.arange(n)]) for n in lengths]
    mixed = shuffled(dataset_of(values), seed, 30).inputs
    orders = [mixed.one(row)[0].astype(int).tolist() for row in range(len(lengths))]
    whole = max(orders, key=len)
    for row, n in enumerate(lengths):
        assert sorted(orders[row]) == list(range(n))
        assert orders[row] == [step for step in whole if step < n]
        np.testing.assert_array_equal(mixed.one(row)[1], mixed.one(row)[0] + 100)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.sampled_from([0.5, 0.25, 0.125]))
def test_a_part_is_the_end_of_every_series(lengths, share):
    data = dataset_of([np.arange(n, dtype=float)[None] for n in lengths])
    part = last_part(data, share).inputs
    for row, n in enumerate(lengths):
        kept = part.one(row)[0]
        assert len(kept) == max(1, round(share * n))
        assert kept[-1] == n - 1
    assert (part.form.shortest, part.form.longest) == (part.lengths.min(), part.lengths.max())
    seven = last_steps(data, 7).inputs
    assert seven.lengths.tolist() == [min(7, n) for n in lengths]
    assert [seven.one(row)[0][-1] for row in range(len(lengths))] == [n - 1 for n in lengths]


def dataset_of(values):
    task = make_task("binary", "answer", ("no", "yes"))
    return Dataset(series_from_arrays(values), np.arange(len(values)) % 2, task, np.arange(len(values)))
