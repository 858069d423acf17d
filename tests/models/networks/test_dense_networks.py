"""The search with networks, seen through the dense networks."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.models.jobs import Context, Effort, Job, PreparationOptions, Shape
from annvil.models.networks import search as searching
from annvil.models.networks.dense_networks import DenseFamily, DenseNetworks
from annvil.models.networks.recipe import (
    LONG,
    SHORT,
    Settings,
    candidate_units,
    epochs_for,
    search_ladder,
    settings_for,
)
from annvil.tasks.union import make_task

LITTLE = Effort(candidates=2, scale=0.05)


def waves(n_rows=200, seed=0, kind="binary", *, rare=False):
    """Two numbers whose product decides, a third that is noise, a category that helps a little."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 3))
    colour = rng.choice(["red", "green", "blue"], size=n_rows)
    score = x[:, 0] * x[:, 1] + 0.5 * (colour == "red")
    table = table_from_columns([*((f"x{i}", "number", x[:, i]) for i in range(3)), ("colour", "category", colour)])
    if kind == "regression":
        return Dataset(table, score, make_task(kind, "y"), np.arange(n_rows))
    y = (score > (1.5 if rare else 0.2)).astype(np.int64)
    return Dataset(table, y, make_task("binary", "y", ("no", "yes")), np.arange(n_rows))


def job_of(rows, key="a", folds=3, seed=0):
    fold = np.random.default_rng(seed).permutation(len(rows)) % folds
    return Job(key, rows, tuple(Split(rows[fold != k], rows[fold == k]) for k in range(folds)), seed)


def two_jobs():
    return [job_of(np.arange(100), "a"), job_of(np.arange(80, 200), "b", seed=1)]


def fit(dataset, jobs, effort=LITTLE, context=None):
    return list(DenseNetworks().fit(dataset, jobs, effort, context or Context()))


def test_a_function_that_no_line_can_follow_is_learnt():
    dataset = waves(700, kind="regression")
    (fitted,) = fit(dataset, [job_of(np.arange(500))], Effort(candidates=1, scale=0.5))
    found = fitted.predict(dataset.inputs)[500:, 0]
    assert np.mean((found - dataset.y[500:]) ** 2) < 0.2 * dataset.y[500:].var()


def test_jobs_trained_together_are_as_if_alone():
    dataset = waves()
    together = fit(dataset, two_jobs())
    assert [fitted.job.key for fitted in together] == ["a", "b"]
    for fitted, job in zip(together, two_jobs(), strict=True):
        (alone,) = fit(dataset, [job])
        np.testing.assert_allclose(fitted.out_of_fold, alone.out_of_fold, atol=1e-5)
        np.testing.assert_allclose(fitted.predict(dataset.inputs), alone.predict(dataset.inputs), atol=1e-5)


def test_jobs_are_trained_apart_where_memory_asks_for_it(monkeypatch):
    dataset = waves()
    together = fit(dataset, two_jobs())
    monkeypatch.setattr(searching, "STACK_BYTES", 1)
    apart = fit(dataset, two_jobs())
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.out_of_fold, other.out_of_fold, atol=1e-5)


def test_out_of_fold_predictions_come_from_networks_that_had_not_seen_the_row():
    dataset, job = waves(), job_of(np.arange(150))
    (fitted,) = fit(dataset, [job])
    hidden = job.inner[0].test
    turned = Dataset(dataset.inputs, dataset.y.copy(), dataset.task, dataset.groups)
    only_validation = Job("a", job.rows, job.inner[:1], job.seed)
    (before,) = fit(dataset, [only_validation], Effort(candidates=1, scale=0.05))
    turned.y[hidden] = 1 - turned.y[hidden]
    (after,) = fit(turned, [only_validation], Effort(candidates=1, scale=0.05))
    # Same training rows, other validation labels: only the chosen epoch and the calibration may differ.
    assert before.history["train_loss"][0] == after.history["train_loss"][0]
    assert before.history["validation_loss"][0] != after.history["validation_loss"][0]
    tested = np.isin(job.rows, hidden)
    assert np.isfinite(before.out_of_fold[tested]).all()
    assert np.isnan(before.out_of_fold[~tested]).all()
    assert np.isfinite(fitted.out_of_fold).all()


def test_nothing_comes_back_when_the_time_is_over_before_it_begins():
    assert fit(waves(), two_jobs(), context=Context(-1.0)) == []


def test_a_deadline_in_between_returns_the_best_so_far():
    dataset = waves(2000)
    configuration = DenseFamily().portfolio(True, 2000)[0].to_json() | {"epochs": 10_000}
    (fitted,) = fit(dataset, [job_of(np.arange(2000))], Effort(configuration=configuration), Context(0.5))
    assert fitted.cut_short
    assert np.isfinite(fitted.predict(dataset.inputs)).all()


def test_an_interrupted_search_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("annvil.training.loop.checkpoint.SECONDS_BETWEEN", 0.0)
    dataset, effort = waves(), Effort(candidates=2, scale=0.2)
    whole = fit(dataset, two_jobs(), effort)

    def stop(message):
        if message.startswith("epoch 5 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(dataset, two_jobs(), effort, Context(folder=tmp_path, tell=stop))
    told = []
    again = fit(dataset, two_jobs(), effort, Context(folder=tmp_path, tell=told.append))
    assert told
    assert not told[0].startswith("epoch 1 ")
    for one, other in zip(whole, again, strict=True):
        assert one.predict(dataset.inputs).tobytes() == other.predict(dataset.inputs).tobytes()
        assert one.out_of_fold.tobytes() == other.out_of_fold.tobytes()


def test_the_same_search_of_the_same_data_is_not_trained_twice(monkeypatch):
    dataset, context = waves(), Context()
    fits = DenseNetworks().fit(dataset, two_jobs(), LITTLE, context)
    first = [next(fits), next(fits)]  # the caller stops asking when it has what it wants
    monkeypatch.setattr(searching, "_search_chunk", None)
    second = fit(dataset, two_jobs(), context=context)
    np.testing.assert_array_equal(first[1].out_of_fold, second[1].out_of_fold)
    with pytest.raises(TypeError):  # other data of the same shape
        fit(waves(), two_jobs(), context=context)
    with pytest.raises(TypeError):  # prepared in another way
        fit(dataset, two_jobs(), Effort(candidates=2, scale=0.05, options=PreparationOptions(scaling="none")), context)
    with pytest.raises(TypeError):  # another race
        fit(dataset, two_jobs())


def test_a_copy_of_what_was_searched_begins_empty():
    """Trained networks do not travel to another process; it trains what it needs."""
    dataset, context = waves(), Context()
    fit(dataset, two_jobs(), context=context)
    assert context.searches._latest
    assert not pickle.loads(pickle.dumps(context.searches))._latest


def test_rare_classes_get_a_weighted_candidate_unless_told_not_to():
    job, architecture = job_of(np.arange(200)), DenseFamily()
    rare = waves(rare=True)

    def weighted(dataset, **options):
        effort = Effort(candidates=6, options=PreparationOptions(**options))
        return [
            settings.number for settings in settings_for(architecture, dataset, job, effort) if settings.class_weighted
        ]

    assert weighted(rare) == [4]
    assert weighted(rare, imbalance="none") == []
    assert weighted(waves()) == []
    (fitted,) = fit(rare, [job], Effort(candidates=6, scale=0.05))
    assert len(fitted.tried) == 6


def test_people_are_told_what_was_chosen():
    (fitted,) = fit(waves(), [job_of(np.arange(150))])
    assert fitted.summary.startswith("2 layers of 64, learning rate 0.02, frequencies ")
    assert "3 networks averaged, best epoch " in fitted.summary
    assert set(fitted.history) == {"train_loss", "validation_loss"}
    assert all(np.isfinite(fitted.history["validation_loss"]))


def test_a_diverging_candidate_is_named_and_does_no_harm():
    configuration = DenseFamily().portfolio(False, 200)[0].to_json() | {"learning_rate": 1e9, "epochs": 3}
    dataset = waves(kind="regression")
    (fitted,) = fit(dataset, [job_of(np.arange(150))], Effort(configuration=configuration))
    assert any("diverged at epoch" in note for note in fitted.notes)
    assert np.isfinite(fitted.predict(dataset.inputs)).all()


def test_settings_survive_json():
    settings = Settings(3, 0.1, 0.2, 0.3, frequency=0.4, widths=(8, 4), epochs=5)
    assert Settings.from_json(settings.to_json()) == settings


def test_epochs_fall_with_rows_and_hardly_move_with_one_row():
    found = [epochs_for(rows, 32, 1.0) for rows in (100, 1_000, 6_400, 25_600, 1_000_000)]
    assert found == [64, 64, 32, 16, 4]
    assert epochs_for(6_400, 32, 0.5) == 16
    assert epochs_for(5_120, 32, 1.0) == epochs_for(5_121, 32, 1.0)


def test_units_of_halving():
    # Four race for a fifth, two for the next 0.267, one for the rest.
    assert candidate_units(4) == pytest.approx(4 * 0.2 + 2 * 0.267 + 0.533)
    assert candidate_units(1) == pytest.approx(1)


def test_the_ladder_searches_before_it_bags_and_trains_long_at_the_top():
    shape = Shape(5_000, 10, 2, 12, make_task("binary", "y", (0, 1)))
    rungs = search_ladder(DenseFamily(), shape)
    efforts = [(rung.effort.candidates, rung.effort.inner_folds, rung.effort.scale) for rung in rungs]
    assert efforts[0] == (1, 1, SHORT)
    assert efforts[-1] == (8, 5, LONG)
    assert all(later[2] >= earlier[2] and later[0] >= earlier[0] for earlier, later in pairwise(efforts))
    assert (4, 5, 1.0) in efforts
    work = [candidate_units(candidates) * inner * scale for candidates, inner, scale in efforts]
    assert work == sorted(work)


def test_large_tables_are_looked_at_in_parts_first():
    shape = Shape(300_000, 10, 2, 12, make_task("binary", "y", (0, 1)))
    rows = [rung.effort.rows for rung in search_ladder(DenseFamily(), shape)]
    whole = rows.index(None)
    assert rows[:whole] == [20_000, 100_000][:whole]
    assert whole >= 1
    assert set(rows[whole:]) == {None}
