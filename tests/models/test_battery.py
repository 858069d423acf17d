"""What every contender must do, whoever it is: the same checks over the whole registry."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import onnxruntime as ort
import pytest

from annvil.data.dataset import Dataset
from annvil.data.table import table_from_columns
from annvil.kinds.tables.contenders import contenders_for_tables
from annvil.models.contract import Context, Effort, Job, PreparationOptions, Shape, Split
from annvil.onnx.builder import Graph
from annvil.tasks.union import make_task

CONTENDERS = {contender.name: contender for contender in contenders_for_tables()}
KINDS = ["binary", "multiclass", "regression"]
LITTLE = Effort(candidates=2, scale=0.05)

every_contender = pytest.mark.parametrize("name", CONTENDERS)
every_kind = pytest.mark.parametrize("kind", KINDS)


def made_table(kind, n_rows=90, seed=0, *, holes=0.1, n_noise=0):
    """Two useful numbers, a date, a useful category, a boolean; a tenth of all cells missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 2))
    colour = rng.choice(["red", "green", "blue"], size=n_rows)
    score = 2 * x[:, 0] - x[:, 1] + 1.5 * (colour == "red") + 0.3 * rng.normal(size=n_rows)
    hidden = rng.uniform(size=(n_rows, 5)) < holes
    day = rng.integers(0, 2000, size=n_rows) * 86400.0
    flag = np.where(x[:, 1] > 0, "true", "false")
    table = table_from_columns(
        [
            ("length", "number", np.where(hidden[:, 0], np.nan, x[:, 0])),
            ("price", "number", np.where(hidden[:, 1], np.nan, 1000 * np.exp(x[:, 1]))),
            ("when", "datetime", np.where(hidden[:, 2], np.nan, 1.5e9 + day)),
            ("colour", "category", np.where(hidden[:, 3], "", colour)),
            ("flag", "boolean", np.where(hidden[:, 4], "", flag)),
            *((f"noise {i}", "number", rng.normal(size=n_rows)) for i in range(n_noise)),
        ]
    )
    return dataset_of(table, kind, score)


def dataset_of(table, kind, score):
    if kind == "regression":
        task, y = make_task(kind, "y"), 50.0 + 20.0 * score
    elif kind == "binary":
        task, y = make_task(kind, "y", ("no", "yes")), (score > 0.5).astype(np.int64)
    else:
        task, y = make_task(kind, "y", ("low", "middle", "high")), np.digitize(score, [-0.5, 1.5]).astype(np.int64)
    return Dataset(table, y, task, np.arange(len(y)))


def made_job(dataset, rows=None, folds=3, seed=0):
    """Inner folds dealt out at random; ``folds=1`` is one holdout of a fifth."""
    rows = np.arange(dataset.n_rows) if rows is None else rows
    fold = np.random.default_rng(seed).permutation(len(rows)) % (5 if folds == 1 else folds)
    inner = tuple(Split(rows[fold != k], rows[fold == k]) for k in range(folds))
    return Job("test", rows, inner, seed)


def fit_one(name, dataset, job, effort=LITTLE):
    (fitted,) = CONTENDERS[name].fit(dataset, [job], effort, Context(threads=1))
    return fitted


@cache
def fitted_on(name, kind):
    """Fitted on the first 70 of 90 rows, with the data set."""
    dataset = made_table(kind)
    return dataset, fit_one(name, dataset, made_job(dataset, np.arange(70)))


def shape_of(dataset):
    inputs = dataset.inputs
    levels = sum(len(column.levels) for column in inputs.columns)
    sizes = dataset.n_rows, len(inputs.number_fields), len(inputs.text_fields), levels
    return Shape(*sizes, dataset.task)


def skip_if_declined(name, dataset):
    if CONTENDERS[name].declines(shape_of(dataset)):
        pytest.skip("declines such data")


def unit(dataset):
    """What an error is measured against: 1 for probabilities, the spread of the target for values."""
    return 1.0 if dataset.task.predicts_probabilities else float(np.std(dataset.y))


def assert_sound(outputs, dataset, n_rows):
    assert outputs.shape == (n_rows, dataset.task.n_outputs)
    assert outputs.dtype == np.float64
    assert np.isfinite(outputs).all()
    if dataset.task.predicts_probabilities:
        assert outputs.min() >= 0
        np.testing.assert_allclose(outputs.sum(axis=1), 1.0, atol=1e-6)


def shipped(fitted, inputs):
    graph = Graph()
    numbers = graph.input("numbers", "float64", ["rows", len(inputs.number_fields)])
    texts = graph.input("texts", "string", ["rows", len(inputs.text_fields)])
    outputs = fitted.task.n_outputs
    model = graph.finish({"prediction": (fitted.write(graph, numbers, texts), "float64", ["rows", outputs])})
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"numbers": inputs.numbers(), "texts": inputs.texts()})[0]


def strange_rows():
    """Unseen categories, missing values, and numbers far away."""
    return table_from_columns(
        [
            ("length", "number", [0.1, np.nan, 1e6, -1e6, 0.0]),
            ("price", "number", [1000.0, np.nan, 1e-9, 1e12, 900.0]),
            ("when", "datetime", [1.5e9, np.nan, 0.0, 4e9, 1.6e9]),
            ("colour", "category", ["purple", "", "red", "blue", "Red "]),
            ("flag", "boolean", ["true", "", "maybe", "false", "true"]),
        ]
    )


@every_contender
@every_kind
def test_predictions_are_sound(name, kind):
    dataset, fitted = fitted_on(name, kind)
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)
    assert_sound(fitted.predict(strange_rows()), dataset, 5)
    assert_sound(fitted.predict(dataset.inputs.take(np.array([3]))), dataset, 1)
    assert_sound(fitted.out_of_fold, dataset, 70)


@every_contender
@every_kind
def test_records_are_complete(name, kind):
    _, fitted = fitted_on(name, kind)
    assert fitted.contender == name
    assert fitted.summary
    assert not fitted.summary.endswith(".")
    assert 1 <= len(fitted.tried) <= LITTLE.candidates
    assert json.loads(json.dumps(fitted.tried)) == list(fitted.tried)
    assert fitted.n_parameters > 0
    assert fitted.fit_seconds > 0
    if fitted.calibration is not None:
        assert fitted.calibration.describe().endswith(".")


@every_contender
@every_kind
def test_it_learns(name, kind):
    if name == "dummy":
        pytest.skip("the dummy learns nothing, on purpose")
    dataset, fitted = fitted_on(name, kind)
    _, dummy = fitted_on("dummy", kind)
    later = np.arange(70, 90)
    found, floor = (loss(dataset, later, f.predict(dataset.inputs.take(later))) for f in (fitted, dummy))
    assert found < 0.95 * floor
    seen, floor = (loss(dataset, np.arange(70), f.out_of_fold) for f in (fitted, dummy))
    assert seen < 0.95 * floor


def loss(dataset, rows, outputs):
    y = dataset.y[rows]
    if dataset.task.predicts_probabilities:
        return -np.log(outputs[np.arange(len(y)), y]).mean()
    return np.mean((outputs[:, 0] - y) ** 2)


@every_contender
@every_kind
def test_the_same_seed_gives_the_same_model_and_the_configuration_repeats_it(name, kind):
    dataset, fitted = fitted_on(name, kind)
    again = fit_one(name, dataset, fitted.job)
    np.testing.assert_array_equal(again.predict(dataset.inputs), fitted.predict(dataset.inputs))
    np.testing.assert_array_equal(again.out_of_fold, fitted.out_of_fold)
    configuration = json.loads(json.dumps(fitted.configuration))
    repeated = fit_one(name, dataset, fitted.job, replace(LITTLE, candidates=1, configuration=configuration))
    assert repeated.configuration == fitted.configuration
    assert len(repeated.tried) == 1
    np.testing.assert_allclose(
        repeated.predict(dataset.inputs), fitted.predict(dataset.inputs), atol=1e-6 * unit(dataset)
    )


@every_contender
@every_kind
def test_rows_are_predicted_alone_as_in_company_and_in_any_order(name, kind):
    dataset, fitted = fitted_on(name, kind)
    together = fitted.predict(dataset.inputs)
    tolerance = 1e-5 * unit(dataset)
    order = np.random.default_rng(1).permutation(90)
    np.testing.assert_allclose(fitted.predict(dataset.inputs.take(order)), together[order], atol=tolerance)
    alone = [fitted.predict(dataset.inputs.take(np.array([row])))[0] for row in range(0, 90, 9)]
    np.testing.assert_allclose(alone, together[::9], atol=tolerance)


@every_contender
@every_kind
def test_the_graph_predicts_the_same(name, kind):
    dataset, fitted = fitted_on(name, kind)
    for inputs in (dataset.inputs, dataset.inputs.take(np.array([5])), strange_rows()):
        found = shipped(fitted, inputs)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, fitted.predict(inputs), atol=1e-5 * unit(dataset))


@every_contender
def test_after_the_deadline_there_are_fewer_results_and_no_error(name):
    dataset = made_table("binary")
    context = Context(-1.0, threads=1)
    results = list(CONTENDERS[name].fit(dataset, [made_job(dataset)] * 3, LITTLE, context))
    assert len(results) < 3


@every_contender
@every_kind
def test_what_goes_in_and_what_comes_out_travels(name, kind, tmp_path):
    """To another process and back: job, effort and context; and a result, which predicts the same there."""
    dataset, fitted = fitted_on(name, kind)
    asked = pickle.loads(pickle.dumps((fitted.job, LITTLE, Context(60.0, tmp_path, threads=1))))
    (again,) = CONTENDERS[name].fit(dataset, [asked[0]], *asked[1:])
    found = pickle.loads(pickle.dumps(again))
    assert (
        pickle.loads(pickle.dumps(fitted)).predict(dataset.inputs).tobytes() == fitted.predict(dataset.inputs).tobytes()
    )
    np.testing.assert_array_equal(found.predict(dataset.inputs), again.predict(dataset.inputs))
    np.testing.assert_allclose(found.out_of_fold, fitted.out_of_fold)
    assert (found.summary, found.preparation, found.cut_short) == (fitted.summary, fitted.preparation, False)
    assert found.task == dataset.task


@every_contender
@every_kind
def test_several_jobs_come_back_in_order(name, kind):
    dataset = made_table(kind)
    jobs = [replace(made_job(dataset, np.arange(20 * k, 20 * k + 50), seed=k), key=f"job {k}") for k in range(2)]
    results = list(CONTENDERS[name].fit(dataset, jobs, LITTLE, Context(threads=1)))
    assert [fitted.job.key for fitted in results] == ["job 0", "job 1"]
    alone = fit_one(name, dataset, jobs[1])
    # Networks of several jobs train as one program, whose sums are ordered differently; training magnifies that.
    tolerance = 5e-3 if CONTENDERS[name].family == "network" else 1e-5
    np.testing.assert_allclose(
        results[1].predict(dataset.inputs), alone.predict(dataset.inputs), atol=tolerance * unit(dataset)
    )


@every_contender
def test_only_the_rows_of_the_job_are_looked_at(name):
    dataset, fitted = fitted_on(name, "binary")
    spoiled_y = np.r_[dataset.y[:70], 1 - dataset.y[70:]]
    numbers = dataset.inputs.columns[0]
    spoiled = numbers.values.copy()
    spoiled[70:] = 1e9
    inputs = dataset.inputs.with_column(replace(numbers, values=spoiled))
    other = fit_one(name, replace(dataset, inputs=inputs, y=spoiled_y), fitted.job)
    rows = dataset.inputs.take(np.arange(70))
    np.testing.assert_array_equal(other.predict(rows), fitted.predict(rows))


@every_contender
@every_kind
def test_one_holdout(name, kind):
    dataset = made_table(kind)
    job = made_job(dataset, folds=1)
    fitted = fit_one(name, dataset, job)
    tested = np.isin(job.rows, job.inner[0].test)
    assert np.isfinite(fitted.out_of_fold[tested]).all()
    assert np.isnan(fitted.out_of_fold[~tested]).all()
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)


@every_contender
def test_a_rare_class(name):
    dataset = made_table("binary", 240)
    rare = np.argsort(np.nan_to_num(dataset.inputs.columns[0].values))[-8:]
    y = np.zeros(240, dtype=np.int64)
    y[rare] = 1
    dataset = replace(dataset, y=y)
    for imbalance in ("auto", "none"):
        effort = replace(LITTLE, candidates=3, options=PreparationOptions(imbalance=imbalance))
        fitted = fit_one(name, dataset, made_job(dataset), effort)
        outputs = fitted.predict(dataset.inputs)
        assert_sound(outputs, dataset, 240)
        assert outputs[:, 1].mean() < 0.2  # calibrated, whatever the weights
        np.testing.assert_allclose(shipped(fitted, dataset.inputs), outputs, atol=1e-5)


@every_contender
def test_a_class_that_some_inner_training_rows_lack(name):
    dataset = made_table("multiclass")
    y = np.where(dataset.y == 2, 1, dataset.y)
    y[:2] = 2
    rows = np.arange(90)
    inner = (Split(rows[45:], rows[:45]), Split(rows[:45], rows[45:]))
    fitted = fit_one(name, replace(dataset, y=y), Job("test", rows, inner, 0))
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)
    assert_sound(fitted.out_of_fold, dataset, 90)
    np.testing.assert_allclose(shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-5)


@every_contender
def test_inner_training_rows_of_one_class(name):
    dataset = made_table("binary")
    y = np.zeros(90, dtype=np.int64)
    y[:30] = 1
    rows = np.arange(90)
    inner = (Split(rows[30:], rows[:30]), Split(rows[:60], rows[60:]))
    fitted = fit_one(name, replace(dataset, y=y), Job("test", rows, inner, 0))
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)
    np.testing.assert_allclose(shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-5)


@every_contender
@every_kind
def test_thirty_rows(name, kind):
    dataset = made_table(kind, 30)
    fitted = fit_one(name, dataset, made_job(dataset))
    assert_sound(fitted.predict(dataset.inputs), dataset, 30)


@every_contender
@every_kind
def test_more_columns_than_rows(name, kind):
    dataset = made_table(kind, 40, n_noise=150)
    skip_if_declined(name, dataset)
    fitted = fit_one(name, dataset, made_job(dataset), replace(LITTLE, candidates=1))
    assert_sound(fitted.predict(dataset.inputs), dataset, 40)
    np.testing.assert_allclose(
        shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-5 * unit(dataset)
    )


@every_contender
@pytest.mark.parametrize("storage", ["numbers", "texts"])
def test_columns_of_one_storage_some_of_them_empty_or_constant(name, storage):
    whole = made_table("binary")
    n_rows = whole.n_rows
    if storage == "numbers":
        columns = [("empty", "number", np.full(n_rows, np.nan)), ("same", "number", np.ones(n_rows))]
        columns += [(c.name, "number", c.values) for c in whole.inputs.columns[:2]]
    else:
        columns = [("empty", "category", [None] * n_rows), ("same", "category", ["a"] * n_rows)]
        columns += [(c.name, "category", c.texts()) for c in whole.inputs.columns[3:]]
    dataset = replace(whole, inputs=table_from_columns(columns))
    fitted = fit_one(name, dataset, made_job(dataset))
    assert_sound(fitted.predict(dataset.inputs), dataset, n_rows)
    np.testing.assert_allclose(shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-5)


@every_contender
@every_kind
def test_without_scaling_it_works_too(name, kind):
    dataset = made_table(kind)
    fitted = fit_one(name, dataset, made_job(dataset), replace(LITTLE, options=PreparationOptions(scaling="none")))
    assert_sound(fitted.predict(dataset.inputs), dataset, 90)


@every_contender
def test_a_constant_target_number(name):
    dataset = made_table("regression")
    dataset = replace(dataset, y=np.full(90, 7.5))
    fitted = fit_one(name, dataset, made_job(dataset))
    np.testing.assert_allclose(fitted.predict(dataset.inputs), 7.5, atol=1e-4)


@every_contender
@pytest.mark.parametrize("n_rows", [30, 1000, 100_000, 3_000_000])
@pytest.mark.parametrize("n_outputs", [1, 2, 26])
def test_plans_grow_with_time_and_never_ask_for_nothing(name, n_rows, n_outputs):
    task = make_task("multiclass", "y", range(n_outputs)) if n_outputs > 1 else make_task("regression", "y")
    shape = Shape(n_rows, 20, 5, 60, task)
    contender = CONTENDERS[name]
    efforts = [contender.plan(shape, 5, 5, seconds) for seconds in (0.0, 1.0, 30.0, 1000.0, 1e6)]
    assert efforts == [contender.plan(shape, 5, 5, seconds) for seconds in (0.0, 1.0, 30.0, 1000.0, 1e6)]
    work = [effort.candidates * effort.scale for effort in efforts]
    assert work == sorted(work)
    assert all(effort.candidates >= 1 and effort.scale > 0 for effort in efforts)
    reason = contender.declines(shape)
    assert reason is None or reason.endswith(".")
