"""What every contender does with tables that are small, wide, lopsided or empty in places; the battery has the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.battery import LITTLE, assert_sound, fit_one, made_job, shipped, unit

from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.kinds.tables.contenders import contenders_for_tables
from annvil.kinds.tables.kind import KIND
from annvil.kinds.tables.tiny import tiny_table
from annvil.models.jobs import Job, PreparationOptions

CONTENDERS = {contender.name: contender for contender in contenders_for_tables()}
KINDS = ["binary", "multiclass", "regression"]

ONE = replace(LITTLE, candidates=1)
"""How candidates are compared is tested where it matters which is chosen."""

every_contender = pytest.mark.parametrize("name", CONTENDERS)


def in_turn(first):
    """Every contender with one kind and every kind with some contender; all others in the slow suite."""
    return pytest.mark.parametrize(
        ("name", "kind"),
        [
            pytest.param(name, kind, marks=[] if (place + first) % 3 == turn else [pytest.mark.slow])
            for place, name in enumerate(CONTENDERS)
            for turn, kind in enumerate(KINDS)
        ],
    )


def skip_if_declined(name, dataset):
    if CONTENDERS[name].declines(KIND.problem(dataset).shape(dataset.n_rows)):
        pytest.skip("declines such data")


@in_turn(0)
def test_one_holdout(name, kind):
    dataset = tiny_table(kind)
    job = made_job(dataset, folds=1)
    fitted = fit_one(CONTENDERS[name], dataset, job, ONE)
    tested = np.isin(job.rows, job.inner[0].test)
    assert np.isfinite(fitted.out_of_fold[tested]).all()
    assert np.isnan(fitted.out_of_fold[~tested]).all()
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)


@every_contender
def test_a_rare_class(name):
    dataset = tiny_table("binary", 240)
    rare = np.argsort(np.nan_to_num(dataset.inputs.columns[0].values))[-8:]
    y = np.zeros(240, dtype=np.int64)
    y[rare] = 1
    dataset = replace(dataset, y=y)
    for imbalance in ("auto", "none"):
        effort = replace(LITTLE, candidates=3, options=PreparationOptions(imbalance=imbalance))
        fitted = fit_one(CONTENDERS[name], dataset, made_job(dataset), effort)
        outputs = fitted.predict(dataset.inputs)
        assert_sound(outputs, dataset, 240)
        assert outputs[:, 1].mean() < 0.2  # calibrated, whatever the weights
        np.testing.assert_allclose(shipped(fitted, dataset.inputs), outputs, atol=1e-5)


@every_contender
def test_a_class_that_some_inner_training_rows_lack(name):
    dataset = tiny_table("multiclass")
    y = np.where(dataset.y == 2, 1, dataset.y)
    y[:2] = 2
    rows = np.arange(90)
    inner = (Split(rows[45:], rows[:45]), Split(rows[:45], rows[45:]))
    fitted = fit_one(CONTENDERS[name], replace(dataset, y=y), Job("test", rows, inner, 0), ONE)
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)
    assert_sound(fitted.out_of_fold, dataset, 90)
    np.testing.assert_allclose(shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-5)


@every_contender
def test_inner_training_rows_of_one_class(name):
    dataset = tiny_table("binary")
    y = np.zeros(90, dtype=np.int64)
    y[:30] = 1
    rows = np.arange(90)
    inner = (Split(rows[30:], rows[:30]), Split(rows[:60], rows[60:]))
    fitted = fit_one(CONTENDERS[name], replace(dataset, y=y), Job("test", rows, inner, 0), ONE)
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)
    np.testing.assert_allclose(shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-5)


@in_turn(1)
def test_thirty_rows(name, kind):
    dataset = tiny_table(kind, 30)
    fitted = fit_one(CONTENDERS[name], dataset, made_job(dataset), ONE)
    assert_sound(fitted.predict(dataset.inputs), dataset, 30)


@in_turn(2)
def test_more_columns_than_rows(name, kind):
    dataset = tiny_table(kind, 40, n_noise=150)
    skip_if_declined(name, dataset)
    fitted = fit_one(CONTENDERS[name], dataset, made_job(dataset), ONE)
    assert_sound(fitted.predict(dataset.inputs), dataset, 40)
    np.testing.assert_allclose(
        shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-5 * unit(dataset)
    )


@every_contender
@pytest.mark.parametrize("storage", ["numbers", "texts"])
def test_columns_of_one_storage_some_of_them_empty_or_constant(name, storage):
    whole = tiny_table("binary")
    n_rows = whole.n_rows
    if storage == "numbers":
        columns = [("empty", "number", np.full(n_rows, np.nan)), ("same", "number", np.ones(n_rows))]
        columns += [(c.name, "number", c.values) for c in whole.inputs.columns[:2]]
    else:
        columns = [("empty", "category", [None] * n_rows), ("same", "category", ["a"] * n_rows)]
        columns += [(c.name, "category", c.texts()) for c in whole.inputs.columns[3:]]
    dataset = replace(whole, inputs=table_from_columns(columns))
    fitted = fit_one(CONTENDERS[name], dataset, made_job(dataset), ONE)
    assert_sound(fitted.predict(dataset.inputs), dataset, n_rows)
    np.testing.assert_allclose(shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-5)


@in_turn(0)
def test_without_scaling_it_works_too(name, kind):
    dataset = tiny_table(kind)
    fitted = fit_one(
        CONTENDERS[name], dataset, made_job(dataset), replace(ONE, options=PreparationOptions(scaling="none"))
    )
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)


@every_contender
def test_a_constant_target_number(name):
    dataset = tiny_table("regression")
    dataset = replace(dataset, y=np.full(90, 7.5))
    fitted = fit_one(CONTENDERS[name], dataset, made_job(dataset), ONE)
    np.testing.assert_allclose(fitted.predict(dataset.inputs), 7.5, atol=1e-4)
