"""Nothing after an origin is ever seen: not by windows, scales, splits or models."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.data.dataset import Source
from annvil.data.splits import inner_splits, outer_splits
from annvil.kinds.forecasts.contenders.registry import contenders_for_forecasts
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.reading.origins import dataset_of
from annvil.kinds.forecasts.tiny import made_store
from annvil.kinds.registry import read
from annvil.models.jobs import Context, Effort, Job
from annvil.tasks.forecast_metrics import SCALE

SOURCE = Source("made", None, "", 0)


def made(lengths, horizon, season, seed, window=None):
    rng = np.random.default_rng(seed)
    form = ForecastForm("y", horizon, window or 3 * season, season)
    return made_store(form, [50 + np.cumsum(rng.normal(size=n)) for n in lengths])


@settings(deadline=None)
@given(
    st.lists(st.integers(30, 60), min_size=1, max_size=4),
    st.integers(1, 6),
    st.sampled_from([1, 4, 7]),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_training_answers_are_known_before_the_first_test_origin(lengths, horizon, season, folds, seed):
    data = dataset_of(made(lengths, horizon, season, seed), SOURCE)
    np.testing.assert_array_equal(data.known_at, data.time + horizon)
    for outer in outer_splits(data, folds, 1, seed)[0]:
        assert data.known_at[outer.train].max() <= data.time[outer.test].min()
        for inner in inner_splits(data, outer.train, 2, seed):
            assert set(inner.train) | set(inner.test) <= set(outer.train)
            assert data.time[inner.train].max() < data.time[inner.test].min()
            late = data.known_at[outer.train].min() <= data.time[outer.train].max()
            assert data.known_at[inner.train].max() <= data.time[inner.test].min() or not late


@settings(deadline=None, max_examples=25)
@given(st.integers(12, 40), st.integers(1, 5), st.sampled_from([1, 4]), st.integers(0, 99))
def test_what_lies_behind_an_origin_changes_nothing_that_is_shown_of_it(length, horizon, season, seed):
    """Values behind the last known one of a row are made wild; windows, phases, scales and swings stay as they were."""
    store = made([length], horizon, season, seed)
    rows = dataset_of(store, SOURCE).inputs
    for row in (0, rows.n_rows // 2, rows.n_rows - 1):
        one = rows.take(np.array([row]))
        values = store.values.copy()
        values[one.origin[0] :] = 1e6 * np.random.default_rng(seed).normal(size=length - one.origin[0])
        wild = replace(one, store=replace(store, values=values))
        for name, shown in one.feeds().items():
            np.testing.assert_array_equal(wild.feeds()[name], shown)
        np.testing.assert_array_equal(wild.scales(), one.scales())


@pytest.mark.parametrize("contender", contenders_for_forecasts(), ids=lambda one: one.name)
def test_models_of_a_fold_do_not_change_with_what_came_after_their_training(contender):
    """All that comes after the answers of the training rows is made wild; the model is the same to the byte."""
    store = made([70, 64], 3, 4, 0)
    data = dataset_of(store, SOURCE)
    split = outer_splits(data, 3, 1, 0)[0][0]
    job = Job("fold", split.train, inner_splits(data, split.train, 1, 0), 0)
    end = int(data.known_at[split.train].max())
    values = store.values.copy()
    for place, begin in enumerate(store.starts[:-1].tolist()):
        stop = int(store.starts[place + 1])
        values[begin + end - int(store.first[place]) + 1 : stop] = -1e5
    wild = dataset_of(replace(store, values=values), SOURCE)
    effort = Effort(1, 0.05) if contender.family == "network" else Effort(99)
    one, other = (next(iter(contender.fit(each, [job], effort, Context(threads=1)))) for each in (data, wild))
    probe = data.inputs.take(split.test)
    np.testing.assert_array_equal(one.predict(probe), other.predict(probe))
    np.testing.assert_array_equal(one.out_of_fold, other.out_of_fold)


def test_the_scale_is_the_mean_error_of_repeating_the_season_before_the_origin():
    store = made([40], 2, 4, 3)
    rows = dataset_of(store, SOURCE).inputs
    by_hand = [np.abs(store.values[4:n] - store.values[: n - 4]).mean() for n in rows.origin.tolist()]
    np.testing.assert_allclose(rows.scales(), by_hand)


def test_a_history_shorter_than_the_window_is_its_first_season_repeated():
    store = made([20], 2, 4, 0, window=10)
    one = replace(dataset_of(store, SOURCE).inputs.take(np.array([0])), origin=np.array([6]))
    v = store.values
    np.testing.assert_array_equal(one.windows()[0], [v[0], v[1], v[2], v[3], *v[:6]])
    shorter = replace(one, origin=np.array([2]))
    np.testing.assert_array_equal(shorter.windows()[0], [*[v[0]] * 8, v[0], v[1]])


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 999), st.floats(0.05, 0.4), st.integers(1, 6))
def test_a_value_that_was_filled_shows_nothing_of_the_value_behind_it(seed, share, horizon):
    """The first measured value after an origin, or after the answers of the training rows, is made wild in the table:
    nothing that is shown of the origin, and no training answer, moves. Gaps are filled from both of their sides."""
    rng = np.random.default_rng(seed)
    values = 50 + np.cumsum(rng.normal(size=60))
    values[rng.random(60) < share] = np.nan
    values[[0, -1]] = 50.0

    def made_of(cells):
        return read({"y": cells.tolist()}, target="y", horizon=horizon, season=1)

    data = made_of(values)
    measured = np.flatnonzero(np.isfinite(values))
    assert np.isfinite(values[data.inputs.origin - 1]).all()
    np.testing.assert_array_equal(data.known_at, measured[np.searchsorted(measured, data.time + horizon)])
    row = int(rng.integers(data.n_rows))
    wild = np.where(np.arange(60) >= data.inputs.origin[row], values + 1e3, values)
    other = made_of(wild)
    np.testing.assert_array_equal(other.inputs.windows()[row], data.inputs.windows()[row])
    np.testing.assert_array_equal(other.context[SCALE][row], data.context[SCALE][row])
    early = data.known_at <= data.time[row]
    np.testing.assert_array_equal(other.y[early], data.y[early])
