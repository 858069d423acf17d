"""What every contender of every kind must do, whoever it is: the same checks on the tiny problems that kinds supply."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from tests.battery import LITTLE, Shipped, assert_sound, fit_one, made_job, unit

from annvil.bundle import Predictor, export
from annvil.bundle.manifest import GRADIENTS
from annvil.comparison.data_problem import DataProblem
from annvil.kinds.registry import kinds
from annvil.models.jobs import Context

HELD_BACK = 20
"""Rows of each tiny data set that no job has; they come first, so that jobs do not begin with row 0."""

KINDS = {kind.name: kind for kind in kinds()}

HARDLY_TRAINED = "so few steps on so few pictures teach a network of its own nothing yet; its own tests see it learn"

EXCEPTIONS = {
    ("learns", "tables", "dummy"): "the dummy learns nothing, on purpose",
    ("learns", "pictures", "dummy"): "the dummy learns nothing, on purpose",
    ("learns", "series", "dummy"): "the dummy learns nothing, on purpose",
    ("learns", "forecasts", "dummy"): "the dummy learns nothing, on purpose",
    ("learns", "sound", "dummy"): "the dummy learns nothing, on purpose",
    ("learns", "tables", "rule-tree"): "one tree of few leaves on 70 rows: 20 others cannot show what it learnt",
    ("learns", "pictures", "convolutional"): HARDLY_TRAINED,
    ("learns", "pictures", "pixels-dense"): HARDLY_TRAINED,
    ("repeats", "pictures", "convolutional"): (
        "a given configuration is trained for 300 steps at least, as it may come from more rows; tiny ones take fewer"
    ),
}
"""By check, kind and contender: why it need not hold."""

AT_FIRST_NO_BETTER = {("dummy", kind) for kind in ("tables", "pictures", "series", "forecasts", "sound")}
"""Whose first rung need not beat the dummy."""


@cache
def tiny(kind):
    return KINDS[kind].tiny()


@cache
def contenders(kind):
    first = next(iter(tiny(kind).values())).dataset
    return {contender.name: contender for contender in KINDS[kind].contenders(first)}


EVERYONE = [(kind, name) for kind in KINDS for name in contenders(kind)]


def competes(kind, name, asked):
    """Whether it does, rather than declining: a model of each class has none of a number."""
    dataset = tiny(kind)[asked].dataset
    return contenders(kind)[name].declines(DataProblem(dataset).shape(dataset.n_rows)) is None


EVERYTHING = [(kind, name, asked) for kind, name in EVERYONE for asked in tiny(kind) if competes(kind, name, asked)]

every_contender = pytest.mark.parametrize(("kind", "name"), EVERYONE)
every_question = pytest.mark.parametrize(("kind", "name", "asked"), EVERYTHING)


def first(kind):
    return next(iter(tiny(kind)))


def little(kind):
    return replace(LITTLE, candidates=tiny(kind)[first(kind)].candidates)


def job_of(dataset):
    rows = np.random.default_rng(1).permutation(np.arange(HELD_BACK, dataset.n_rows))
    return made_job(dataset, rows)


@cache
def fitted_on(kind, name, asked):
    """Fitted on all rows but those held back, with the data set."""
    dataset = tiny(kind)[asked].dataset
    return dataset, fit_one(contenders(kind)[name], dataset, job_of(dataset), little(kind))


def unless_excepted(check, kind, name):
    if (check, kind, name) in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[check, kind, name])


def test_every_kind_of_our_own_supplies_problems():
    assert all(tiny(kind) for kind in ("tables", "pictures"))
    assert {check for check, *_ in EXCEPTIONS} == {"learns", "repeats"}
    assert {(kind, name) for _, kind, name in EXCEPTIONS} <= set(EVERYONE)


@pytest.mark.parametrize("kind", KINDS)
def test_no_side_loses_before_somebody_stood_for_it(kind):
    """Of networks and of models that learn: a network that beats guessing methods alone has shown nothing."""
    central = [one for one in contenders(kind).values() if one.traits.central]
    assert {one.family == "network" for one in central} == {True, False}
    assert "dummy" not in {one.family for one in central}


@every_question
def test_predictions_are_sound(kind, name, asked):
    dataset, fitted = fitted_on(kind, name, asked)
    strange = tiny(kind)[asked].strange
    assert_sound(fitted.predict(dataset.inputs), dataset, dataset.n_rows)
    assert_sound(fitted.predict(strange), dataset, strange.n_rows)
    assert_sound(fitted.predict(dataset.inputs.take(np.array([3]))), dataset, 1)
    tested = np.isfinite(fitted.out_of_fold).all(axis=1)
    assert tested.any()
    assert_sound(fitted.out_of_fold[tested], dataset, int(tested.sum()))


@every_question
def test_records_are_complete(kind, name, asked):
    dataset, fitted = fitted_on(kind, name, asked)
    assert fitted.contender == name
    assert fitted.summary
    assert not fitted.summary.endswith(".")
    assert len(fitted.tried) >= 1
    assert json.loads(json.dumps(fitted.tried)) == list(fitted.tried)
    assert len(fitted.out_of_fold) == len(fitted.job.rows) == dataset.n_rows - HELD_BACK
    np.testing.assert_array_equal(fitted.job.rows, job_of(dataset).rows)  # not renumbered among the job's rows
    assert fitted.n_parameters > 0
    assert fitted.fit_seconds > 0
    assert all(sentence.endswith(".") for sentence in fitted.preparation)
    assert not fitted.cut_short
    if fitted.calibration is not None:
        assert fitted.calibration.describe().endswith(".")
    if KINDS[kind].words.row != "row":  # nothing that people read takes other things for rows
        said = [fitted.summary, *fitted.preparation, *fitted.notes, *(str(one.get("what")) for one in fitted.tried)]
        said += [rung.what for rung in contenders(kind)[name].ladder(DataProblem(dataset).shape(10**6))]
        said += [str(contenders(kind)[name].declines(DataProblem(dataset).shape(10**6)))]
        assert not [text for text in said if re.search(r"\brows?\b", text)]


@every_question
def test_it_learns(kind, name, asked):
    unless_excepted("learns", kind, name)
    dataset, fitted = fitted_on(kind, name, asked)
    _, dummy = fitted_on(kind, "dummy", asked)
    later = np.arange(HELD_BACK)
    found, floor = (loss(dataset, later, f.predict(dataset.inputs.take(later))) for f in (fitted, dummy))
    assert found < 0.95 * floor
    tested = np.isfinite(fitted.out_of_fold).all(axis=1)
    seen, floor = (loss(dataset, fitted.job.rows[tested], f.out_of_fold[tested]) for f in (fitted, dummy))
    assert seen < 0.95 * floor


def loss(dataset, rows, outputs):
    return dataset.task.row_losses(dataset.truth(rows), outputs).mean()


@every_question
def test_rows_are_predicted_alone_as_in_company_and_in_any_order(kind, name, asked):
    dataset, fitted = fitted_on(kind, name, asked)
    together = fitted.predict(dataset.inputs)
    tolerance = 1e-5 * unit(dataset)
    order = np.random.default_rng(1).permutation(dataset.n_rows)
    np.testing.assert_allclose(fitted.predict(dataset.inputs.take(order)), together[order], atol=tolerance)
    alone = [fitted.predict(dataset.inputs.take(np.array([row])))[0] for row in range(0, dataset.n_rows, 9)]
    np.testing.assert_allclose(alone, together[::9], atol=tolerance)


@every_question
def test_the_graph_predicts_the_same(kind, name, asked):
    dataset, fitted = fitted_on(kind, name, asked)
    shipped = Shipped(fitted, dataset.inputs.form)
    for inputs in (dataset.inputs, dataset.inputs.take(np.array([5])), tiny(kind)[asked].strange):
        found = shipped.predict(inputs)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, fitted.predict(inputs), rtol=0, atol=1e-5 * unit(dataset))


@every_question
def test_what_is_explained_adds_up(kind, name, asked):
    """Whatever the method, of every row: strange ones, and those at the limits of what the model may say."""
    dataset, fitted = fitted_on(kind, name, asked)
    beside = KINDS[kind].explaining(dataset, fitted)
    if not beside:
        pytest.skip("single things of this kind are explained in other ways")
    form, task = dataset.inputs.form, dataset.task
    model = Predictor.from_graph(export(fitted, form, task), form, task, beside=beside)
    for inputs in (dataset.inputs.take(np.arange(12)), tiny(kind)[asked].strange):
        said = model.raw(inputs)
        for method in {"shapley", "auto"} | ({"integrated-gradients"} if GRADIENTS in beside else set()):
            found = model.explain(inputs, method)
            assert found.adds_up, (method, found.defect.max())
            np.testing.assert_allclose(found.base_value + found.matrix.sum(axis=1), found.score, atol=1e-9)
            np.testing.assert_array_equal(found.prediction, model.decide(said))


@every_question
def test_a_result_travels(kind, name, asked):
    """To another process and back, with its job; it predicts the same bytes there."""
    dataset, fitted = fitted_on(kind, name, asked)
    found = pickle.loads(pickle.dumps(fitted))
    assert found.predict(dataset.inputs).tobytes() == fitted.predict(dataset.inputs).tobytes()
    np.testing.assert_array_equal(found.job.rows, fitted.job.rows)
    assert (found.summary, found.preparation, found.task) == (fitted.summary, fitted.preparation, fitted.task)


# -- the same again: fits need not learn for that, so few rows are trained briefly -------------------------------------

BRIEF = 0.01
"""Length of trainings that only have to be the same; where a network has a least number of steps, it takes that."""


def brief(kind):
    return replace(little(kind), scale=BRIEF)


def small_jobs(kind):
    """Two of fifty rows each, with twenty before both of the second's and, in most kinds, others behind them."""
    dataset = tiny(kind)[first(kind)].dataset
    return [made_job(dataset, np.arange(20 * k, 20 * k + 50), seed=k, key=f"job {k}") for k in range(2)]


@cache
def fitted_briefly(kind, name):
    """The second of the small jobs, alone."""
    dataset = tiny(kind)[first(kind)].dataset
    return dataset, fit_one(contenders(kind)[name], dataset, small_jobs(kind)[1], brief(kind))


@every_contender
def test_what_is_asked_travels_and_the_same_seed_repeats_it_from_the_rows_of_the_job_alone(kind, name, tmp_path):
    """Meanwhile all other rows have become copies of one of them, with other answers."""
    dataset, fitted = fitted_briefly(kind, name)
    mine = np.isin(np.arange(dataset.n_rows), fitted.job.rows)
    kept = np.where(mine, np.arange(dataset.n_rows), 0)
    other_y = dataset.y.copy()
    other_y[~mine] = other_y[fitted.job.rows[0]]
    assert (other_y != dataset.y).any()
    spoiled = replace(dataset, inputs=dataset.inputs.take(kept), y=other_y)
    job, effort, context = pickle.loads(pickle.dumps((fitted.job, brief(kind), Context(60.0, tmp_path, threads=1))))
    (again,) = contenders(kind)[name].fit(spoiled, [job], effort, context)
    np.testing.assert_array_equal(again.predict(dataset.inputs), fitted.predict(dataset.inputs))
    np.testing.assert_array_equal(again.out_of_fold, fitted.out_of_fold)


@every_contender
def test_its_configuration_repeats_it_without_search(kind, name):
    unless_excepted("repeats", kind, name)
    dataset, fitted = fitted_briefly(kind, name)
    contender = contenders(kind)[name]
    configuration = json.loads(json.dumps(fitted.configuration))
    effort = replace(brief(kind), candidates=1, configuration=configuration)
    repeated = fit_one(contender, dataset, fitted.job, effort)
    assert repeated.configuration == fitted.configuration
    np.testing.assert_allclose(
        repeated.predict(dataset.inputs), fitted.predict(dataset.inputs), atol=1e-6 * unit(dataset)
    )


@every_contender
def test_several_jobs_come_back_in_order_and_as_they_would_alone(kind, name):
    dataset, alone = fitted_briefly(kind, name)
    contender = contenders(kind)[name]
    results = list(contender.fit(dataset, small_jobs(kind), brief(kind), Context(threads=1)))
    assert [fitted.job.key for fitted in results] == ["job 0", "job 1"]
    # Networks of several jobs train as one program, whose sums are ordered differently; training magnifies that.
    tolerance = 5e-3 if contender.family == "network" else 1e-5
    found, expected = (fitted.predict(dataset.inputs) for fitted in (results[1], alone))
    np.testing.assert_allclose(found, expected, atol=tolerance * unit(dataset))


@every_contender
def test_after_the_deadline_there_is_no_error(kind, name):
    dataset = tiny(kind)[first(kind)].dataset
    results = list(contenders(kind)[name].fit(dataset, [job_of(dataset)] * 3, LITTLE, Context(-1.0, threads=1)))
    assert len(results) < 3


def shape_of(kind, asked, n_rows):
    return KINDS[kind].problem(tiny(kind)[asked].dataset).shape(n_rows)


@every_question
@pytest.mark.parametrize("n_rows", [30, 1_000, 50_000, 3_000_000])
def test_ladders_are_numbered_and_climb_in_steps_that_are_worth_a_step(kind, name, asked, n_rows):
    contender, shape = contenders(kind)[name], shape_of(kind, asked, n_rows)
    ladder = contender.ladder(shape)
    assert [rung.effort.rung for rung in ladder] == list(range(len(ladder)))
    assert len({rung.what for rung in ladder}) == len(ladder)
    assert all(rung.core_seconds > 0 for rung in ladder)
    assert all(high.core_seconds >= 1.5 * low.core_seconds for low, high in pairwise(ladder))
    assert all(rung.effort.candidates >= 1 and rung.effort.scale > 0 for rung in ladder)
    assert all(rung.effort.inner_folds in (1, 5) for rung in ladder)
    rows = [rung.effort.rows or n_rows for rung in ladder]
    assert rows == sorted(rows)  # the whole comes after its parts
    assert rows[-1] == n_rows
    reason = contender.declines(shape)
    assert reason is None or reason.endswith(".")


@every_contender
@pytest.mark.parametrize("n_rows", [1_000, 50_000])
def test_a_ladder_is_arithmetic_and_depends_on_sizes_alone(kind, name, n_rows):
    shape = shape_of(kind, first(kind), n_rows)
    other = next(one for one in KINDS[kind].contenders(tiny(kind)[first(kind)].dataset) if one.name == name)
    assert contenders(kind)[name].ladder(shape) == other.ladder(pickle.loads(pickle.dumps(shape)))


@every_contender
def test_more_rows_cost_more(kind, name):
    costs = [contenders(kind)[name].ladder(shape_of(kind, first(kind), n))[-1].core_seconds for n in (1_000, 20_000)]
    assert costs[0] < costs[1]


@every_contender
def test_at_the_top_whoever_gains_by_a_bag_has_five_members(kind, name):
    contender = contenders(kind)[name]
    top = contender.ladder(shape_of(kind, first(kind), 1_000))[-1].effort
    assert top.inner_folds == 5 or not contender.traits.bags


DEAR_TRIALS = {
    ("pictures", "convolutional"),
    ("forecasts", "recurrent-network"),
    ("forecasts", "convolutional-network"),
}
"""Whose first rung takes more than five seconds; what they learn is tested beside it."""


@pytest.mark.parametrize(
    ("kind", "name"),
    [pytest.param(*one, marks=pytest.mark.slow) if one in DEAR_TRIALS else one for one in EVERYONE],
)
def test_the_first_rung_is_a_fair_trial(kind, name):
    """Of the tiny problem, with inner splits as it asks for them: it fits, and whoever learns at all, learns."""
    dataset, contender = tiny(kind)[first(kind)].dataset, contenders(kind)[name]
    effort = contender.ladder(KINDS[kind].problem(dataset).shape(dataset.n_rows - HELD_BACK))[0].effort
    job = made_job(dataset, job_of(dataset).rows, folds=effort.inner_folds)
    fitted = fit_one(contender, dataset, job, effort)
    assert not fitted.cut_short
    later = np.arange(HELD_BACK)
    outputs = fitted.predict(dataset.inputs.take(later))
    assert_sound(outputs, dataset, HELD_BACK)
    if (name, kind) not in AT_FIRST_NO_BETTER:
        _, dummy = fitted_on(kind, "dummy", first(kind))
        assert loss(dataset, later, outputs) < 0.95 * loss(dataset, later, dummy.predict(dataset.inputs.take(later)))
