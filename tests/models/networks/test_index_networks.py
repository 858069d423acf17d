"""Networks of projections: planted ones are found, noise is dropped; what ships is one sum, orthonormal and exact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from annvil.bundle.predictor import session_of
from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import Column, Field, Table
from annvil.kinds.tables.tiny import tiny
from annvil.models.jobs import Context, Effort, Job, Shape
from annvil.models.members import Fitted
from annvil.models.networks.index_bag import IndexBag
from annvil.models.networks.index_directions import shown_directions
from annvil.models.networks.index_forms import Start, forms_of
from annvil.models.networks.index_networks import IndexNetworks
from annvil.models.networks.orthonormal import defect, orthonormal, retracted
from annvil.models.networks.ridge_functions import Ridges, Rows, fit_ridges
from annvil.onnx.builder import Graph
from annvil.tasks.union import make_task

SHORT = Effort(1, scale=0.1)
FEW = Effort(2, scale=0.5)
TRUTH = np.array([[0.6, 0.8, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]]).T


def planted(n_rows: int = 400, seed: int = 0, noise: float = 0.3) -> Dataset:
    """Six numbers, of which two projections count, and a category that moves all by 2."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n_rows, 6))
    colour = generator.integers(0, 2, n_rows)
    z = x @ TRUTH
    y = np.sin(2 * z[:, 0]) + z[:, 1] ** 2 + 2.0 * colour + noise * generator.normal(size=n_rows)
    columns = [Column(Field(f"x{j}", "number"), np.ascontiguousarray(x[:, j])) for j in range(6)]
    columns.append(Column(Field("colour", "category"), colour.astype(np.int32), ("blue", "red")))
    return Dataset(Table(tuple(columns), n_rows), y, make_task("regression", "y"), np.arange(n_rows))


def fitted(dataset: Dataset, effort: Effort = FEW, weights: Any = None, folds: int = 1, **more: Any) -> Fitted:
    rows = np.arange(dataset.n_rows)
    inner = tuple(Split(rows[rows % 5 != fold], rows[rows % 5 == fold]) for fold in range(folds))
    job = Job("first", rows, inner, seed=1, weights=weights)
    (one,) = IndexNetworks().fit(dataset, [job], effort, Context(**more))
    return one


@pytest.fixture(scope="module")
def found() -> tuple[Dataset, Fitted]:
    dataset = planted()
    return dataset, fitted(dataset)


def test_planted_projections_are_found_and_noise_has_no_weight(found: tuple[Dataset, Fitted]) -> None:
    (bag,) = found[1].members
    assert isinstance(bag, IndexBag)
    assert defect(bag.directions) <= 1e-9
    cosines = np.abs(TRUTH.T @ bag.directions)
    assert (cosines.max(axis=1) >= 0.99).all()
    assert bag.directions.shape[1] <= 3
    assert "orthonormal to" in found[1].summary
    additive = found[1].additive()
    assert additive is not None
    assert [name for term in additive.terms if term.is_projection for name in term.features][:2] == ["x0", "x1"]
    dataset = planted(seed=5)
    clean = planted(seed=5, noise=0.0)
    assert np.mean((found[1].predict(dataset.inputs)[:, 0] - clean.y) ** 2) < 0.03  # of a variance of 3.5


def test_category_offsets_matter(found: tuple[Dataset, Fitted]) -> None:
    dataset, one = found
    additive = one.additive()
    assert additive is not None
    place = [term.columns for term in additive.terms].index(("colour",))
    contributions = additive.contributions(dataset.inputs)[:, place, 0]
    red = np.asarray(dataset.inputs.columns[-1].values) == 1
    assert contributions[red].mean() - contributions[~red].mean() == pytest.approx(2.0, abs=0.1)


def test_weighted_refits_keep_their_projections(found: tuple[Dataset, Fitted]) -> None:
    dataset, one = found
    assert IndexNetworks().traits.weighs_rows  # so bands are made of weighted refits, not of searches on drawn rows
    weights = np.random.default_rng(3).exponential(size=dataset.n_rows)
    again = fitted(dataset, Effort(configuration=one.configuration), weights)
    before, after = one.members[0].directions, again.members[0].directions  # type: ignore[attr-defined]
    assert before.shape == after.shape
    assert (np.abs(np.sum(before * after, axis=0)) > 0.98).all()
    np.testing.assert_array_equal(before == 0, after == 0)
    assert float(np.abs(before - after).max()) > 1e-6  # they did look at their own rows


@pytest.mark.parametrize("asked", ["binary", "multiclass", "regression"])
def test_terms_and_graph_say_what_the_model_says(asked: str) -> None:
    dataset = tiny()[asked].dataset
    one = fitted(dataset, SHORT)
    inputs = dataset.inputs.take(np.arange(30))
    additive = one.additive()
    assert additive is not None
    scores = additive.scores(inputs)
    if asked == "regression":
        scores = np.clip(scores, dataset.y.min(), dataset.y.max())
    np.testing.assert_allclose(scores, dataset.task.link.explained(one.predict(inputs)), atol=1e-6)
    graph = Graph()
    raw = dataset.inputs.form.enter(graph)
    shape = ["rows", len(additive.terms), len(additive.base)]
    values = {"prediction": (one.write(graph, *raw), "float64", ["rows", dataset.task.n_outputs])}
    values["contributions"] = (additive.write(graph, *raw), "float64", shape)
    session, _ = session_of(graph.finish(values))
    prediction, contributions = session.run(["prediction", "contributions"], inputs.feeds())
    unit = max(1.0, float(np.abs(one.predict(inputs)).max()))
    np.testing.assert_allclose(prediction, one.predict(inputs), atol=1e-6 * unit)
    np.testing.assert_allclose(contributions, additive.contributions(inputs), atol=1e-6 * unit)
    assert additive.projected is not None
    assert additive.projected(inputs).shape == (30, len(additive.terms))
    assert one.out_of_fold.shape == (dataset.n_rows, dataset.task.n_outputs)


def test_a_line_is_one_projection_and_a_shape_as_smooth_as_it_is() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 3))
    y = x @ [1.0, 2.0, -1.0] + 0.1 * generator.normal(size=500)
    rows = Rows(x, np.zeros((500, 0)), y, np.ones(500), logistic=False)
    start = np.linalg.qr(generator.normal(size=(3, 1)))[0]
    ridges = fit_ridges(Ridges.of(start, np.ones((3, 1)), rows), rows)
    assert abs(float(ridges.directions[:, 0] @ [1, 2, -1])) / np.sqrt(6) > 0.9999
    z = np.linspace(-2, 2, 5)[:, None]
    assert np.abs(np.diff(ridges.shapes(z)[:, 0], 2)).max() < 0.1  # of a range of 10


def test_bent_directions_are_shown_by_residuals() -> None:
    """Stein's lemma: of normal rows the mean of ``y x x'`` is that of the second derivative: a square's direction."""
    generator = np.random.default_rng(2)
    x = generator.normal(size=(5000, 4)) @ np.array([[1, 0.5, 0, 0], [0, 1, 0, 0.5], [0, 0, 1, 0], [0, 0, 0, 1]])
    line, bent = np.array([0, 0, 0.6, 0.8]), np.array([0.8, -0.6, 0, 0])
    y = 2 * x @ line + (x @ bent) ** 2
    found = shown_directions(Rows(x, np.zeros((5000, 0)), y, np.ones(5000), logistic=False), 2)
    assert defect(found) <= 1e-12
    assert abs(float(found[:, 0] @ line)) > 0.99
    assert abs(float(found[:, 1] @ bent)) > 0.99


def test_the_first_rung_trains_nothing_and_finds_what_curvature_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(*_: Any, **__: Any) -> Any:
        raise AssertionError("the first rung is not to train")

    monkeypatch.setattr("annvil.training.train_population", trained)
    dataset = planted(noise=0.2)
    shape = Shape(dataset.n_rows, 6, 1, 2, dataset.task)
    first = IndexNetworks().ladder(shape)[0]
    assert first.effort == SHORT
    assert first.core_seconds < 0.3 < IndexNetworks().ladder(shape)[1].core_seconds
    one = fitted(dataset, first.effort)
    clean = planted(seed=5, noise=0.0)
    assert np.mean((one.predict(clean.inputs)[:, 0] - clean.y) ** 2) < 0.5  # of a variance of 3.5
    assert "without training" in one.summary
    again = fitted(dataset, Effort(configuration=one.configuration))
    np.testing.assert_allclose(again.predict(clean.inputs), one.predict(clean.inputs), atol=1e-9)
    with pytest.raises(AssertionError, match="not to train"):
        fitted(dataset, Effort(2))


@pytest.mark.parametrize("logistic", [False, True])
def test_a_square_of_a_sum_is_found_from_two_squares(logistic: bool) -> None:
    """Along the single columns ``x0² + x1²`` is a saddle: by the symmetry of the two no turn gains to first order."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(1500, 3))
    score = 1.5 * (x[:, 0] + x[:, 1]) ** 2 - 3
    noise = generator.logistic(size=1500) if logistic else 0.3 * generator.normal(size=1500)
    y = (score + noise > 0).astype(np.float64) if logistic else score + noise
    starts = forms_of(np.eye(3), Rows(x, np.zeros((1500, 0)), y, np.ones(1500), logistic))
    truth = np.array([1, 1, 0]) / np.sqrt(2)
    assert max(float(np.abs(truth @ start.directions).max()) for start in starts) > 0.99
    assert all(defect(start.directions) <= 1e-9 for start in starts)


def test_weights_that_become_small_are_set_to_0_and_the_rest_is_fitted_again() -> None:
    generator = np.random.default_rng(6)
    x = generator.normal(size=(800, 4))
    z = x @ np.array([0.6, 0.8, 0, 0])
    rows = Rows(x, np.zeros((800, 0)), np.sin(2 * z) + 0.1 * generator.normal(size=800), np.ones(800), False)
    start = np.linalg.qr(generator.normal(size=(4, 1)) * 0.3 + [[0.6], [0.8], [0], [0]])[0]
    kept = Start(start, np.ones((4, 1))).fitted(rows, 20)
    found = Start(start, np.ones((4, 1)), 0.05).fitted(rows, 20)
    assert (kept.directions != 0).all()
    np.testing.assert_array_equal(found.directions[:, 0] != 0, [True, True, False, False])
    np.testing.assert_array_equal(found.support, found.directions != 0)
    assert defect(found.directions) <= 1e-9
    assert abs(float(found.directions[:, 0] @ [0.6, 0.8, 0, 0])) > 0.999
    assert np.mean((rows.y - found.scores(rows)) ** 2) < 0.02  # noise of variance .01


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.3]))
def test_columns_are_orthonormal_and_zeros_stay(seed: int, d: int, k: int, small: float) -> None:
    generator = np.random.default_rng(seed)
    start = np.linalg.qr(generator.normal(size=(d, min(d, k))))[0]
    support = (np.abs(start) >= small * np.abs(start).max(axis=0)).astype(np.float64)
    found = orthonormal(start, support)
    if found is None:  # there need not be one
        assert small > 0
        return
    turned = retracted(found, generator.normal(size=found.shape) * 0.3, support)
    for one in (found, turned):
        assert defect(one) <= 1e-9
        assert not one[support == 0].any()


def test_what_it_declines_and_how_it_climbs() -> None:
    dataset = planted(50)
    shape = Shape(1000, 6, 1, 2, dataset.task)
    contender = IndexNetworks()
    assert contender.declines(shape) is None
    assert "needs numbers" in str(contender.declines(replace(shape, n_numbers=0)))
    costs = [rung.core_seconds for rung in contender.ladder(shape)]
    assert costs == sorted(costs)
    assert costs[0] < 2
