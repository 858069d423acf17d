"""Additive networks: planted effects are found, in one way only; a direction that was promised is kept everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from annvil.bundle.predictor import session_of
from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import Table, table_from_columns
from annvil.explanation.weight_randomisation import FEW_ROWS, contributions_of, weight_randomisation
from annvil.models.jobs import Context, Effort, Job
from annvil.models.members import Fitted
from annvil.models.networks.additive_networks import AdditiveNetworks
from annvil.models.networks.additive_pairs import rank_pairs
from annvil.models.networks.additive_tables import Density, EffectTables
from annvil.onnx.builder import Graph
from annvil.preparation.knots import KnotPreparation
from annvil.tasks.base import FloatArray
from annvil.tasks.union import make_task


def fitted(dataset: Dataset, monotone: dict[str, int] | None = None) -> Fitted:
    rows = np.arange(dataset.n_rows)
    one = Job("first", rows, (Split(rows[rows % 5 > 0], rows[rows % 5 == 0]),), seed=0)
    (found,) = AdditiveNetworks(monotone).fit(dataset, [one], Effort(candidates=3), Context(threads=1))
    return found


def shipped(found: Fitted, dataset: Dataset, inputs: Table) -> FloatArray:
    graph = Graph()
    output = found.write(graph, *dataset.inputs.form.enter(graph))
    session, _ = session_of(graph.finish({"o": (output, "float64", ["rows", dataset.task.n_outputs])}))
    return np.asarray(session.run(["o"], inputs.feeds())[0])


def planted(n_rows: int = 1200, seed: int = 0) -> Dataset:
    """y = sin(2a) + |b| + ab + effect of colour + 1 where c is missing; d does nothing."""
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.uniform(-1.5, 1.5, (4, n_rows))
    colour = rng.choice(["red", "green", "blue"], n_rows)
    missing = rng.random(n_rows) < 0.2
    y = np.sin(2 * a) + np.abs(b) + a * b + 0.8 * (colour == "red") + missing + rng.normal(0, 0.2, n_rows)
    columns = [("a", a), ("b", b), ("c", np.where(missing, np.nan, c)), ("d", d)]
    table = table_from_columns([*((name, "number", x) for name, x in columns), ("colour", "category", colour)])
    return Dataset(table, y, make_task("regression", "y"), np.arange(n_rows))


@pytest.fixture(scope="module")
def found() -> tuple[Dataset, Fitted]:
    dataset = planted()
    return dataset, fitted(dataset)


def test_contributions_become_others_without_what_was_learnt(found: tuple[Dataset, Fitted]) -> None:
    dataset, one = found
    rows = dataset.inputs.take(np.arange(FEW_ROWS))

    def explain(other: Fitted) -> FloatArray | None:
        return contributions_of(other, rows, 0, dataset.inputs)

    check = weight_randomisation(one, rows, explain, lambda: False)
    assert check is not None
    assert check.passed, check.said


def test_planted_effects_are_found(found: tuple[Dataset, Fitted]) -> None:
    dataset, one = found
    additive = one.additive()
    assert additive is not None
    terms = [term.columns for term in additive.terms]
    assert ("a", "b") in terms
    shares = additive.contributions(dataset.inputs)[:, :, 0]
    spread = dict(zip(terms, shares.std(axis=0), strict=True))
    assert spread.get(("d",), 0.0) < 0.1 * spread["a",]
    numbers = dataset.inputs.numbers()
    a, b = numbers[:, 0], numbers[:, 1]
    curve = shares[:, terms.index(("a",))]
    assert np.corrcoef(curve, np.sin(2 * a))[0, 1] > 0.98
    assert np.corrcoef(shares[:, terms.index(("b",))], np.abs(b))[0, 1] > 0.98
    assert np.corrcoef(shares[:, terms.index(("a", "b"))], a * b)[0, 1] > 0.9


def test_a_missing_value_has_an_effect_of_its_own(found: tuple[Dataset, Fitted]) -> None:
    dataset, one = found
    additive = one.additive()
    assert additive is not None
    place = [term.columns for term in additive.terms].index(("c",))
    shares = additive.contributions(dataset.inputs)[:, place, 0]
    missing = np.isnan(dataset.inputs.numbers()[:, 2])
    assert shares[missing].mean() - shares[~missing].mean() == pytest.approx(1.0, abs=0.15)


def test_categories_are_worth_their_effect(found: tuple[Dataset, Fitted]) -> None:
    dataset, one = found
    additive = one.additive()
    assert additive is not None
    place = [term.columns for term in additive.terms].index(("colour",))
    shares = additive.contributions(dataset.inputs)[:, place, 0]
    red = dataset.inputs.texts()[:, 0] == "red"
    assert shares[red].mean() - shares[~red].mean() == pytest.approx(0.8, abs=0.1)


def test_terms_and_graph_say_what_the_model_says(found: tuple[Dataset, Fitted]) -> None:
    dataset, one = found
    inputs = dataset.inputs.take(np.arange(100)).with_holes(0.2, np.random.default_rng(0))
    additive = one.additive()
    assert additive is not None
    scores = np.clip(additive.scores(inputs), dataset.y.min(), dataset.y.max())
    np.testing.assert_allclose(scores, one.predict(inputs), atol=1e-9)
    np.testing.assert_allclose(shipped(one, dataset, inputs), one.predict(inputs), atol=1e-9)
    graph = Graph()
    value = additive.write(graph, *dataset.inputs.form.enter(graph))
    shape = ["rows", len(additive.terms), 1]
    session, _ = session_of(graph.finish({"c": (value, "float64", shape)}))
    np.testing.assert_allclose(session.run(["c"], inputs.feeds())[0], additive.contributions(inputs), atol=1e-9)


@pytest.mark.parametrize("asked", ["binary", "regression"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_direction_is_kept_everywhere(asked: str, sign: int) -> None:
    """The truth goes up and down; the model, and what is shipped of it, may only go one way: 10,000 points."""
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(2, 400))
    score = np.sin(3 * x) + sign * x + z * (x > 0) + 0.3 * rng.normal(size=400)
    y = (score > 0).astype(np.int64) if asked == "binary" else score
    table = table_from_columns([("x", "number", x), ("z", "number", z)])
    task = make_task("binary", "y", ("no", "yes")) if asked == "binary" else make_task("regression", "y")
    dataset = Dataset(table, y, task, np.arange(400))
    one = fitted(dataset, monotone={"x": sign})
    grid = np.linspace(-5, 5, 10_000)
    inputs = table_from_columns([("x", "number", grid), ("z", "number", np.full(10_000, 0.3))])
    for outputs in (one.predict(inputs), shipped(one, dataset, inputs)):
        assert (sign * np.diff(outputs[:, -1])).min() >= -1e-12
    assert np.ptp(one.predict(inputs)[:, -1]) > 0


@given(st.integers(0, 10_000))
def test_an_effect_is_what_it_is_however_it_is_shared(seed: int) -> None:
    """What a pair says of one column, or a constant, may be added anywhere: the purified sum is the same."""
    rng = np.random.default_rng(seed)
    n = 60
    table = table_from_columns(
        [
            ("a", "number", np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 30, n).astype(float))),
            ("b", "category", rng.choice(["u", "v", "w"], n)),
        ]
    )
    knots = KnotPreparation.fit(table, most=12, coarse=5)
    fine, coarse = knots.place(table)
    density = Density.of(knots, fine, coarse, [(0, 1)])
    sizes = [(one.n_slots, 1) for one in knots.knots]
    grid = rng.normal(size=(knots.knots[0].n_coarse, knots.knots[1].n_coarse, 1))
    raw = EffectTables(rng.normal(size=1), tuple(rng.normal(size=size) for size in sizes), {(0, 1): grid})
    once = raw.purified(knots, density)
    moved = rng.normal(size=(knots.knots[0].n_coarse, 1))
    other = EffectTables(
        raw.base - 3,
        (raw.effects[0] - knots.knots[0].refinement() @ moved, raw.effects[1] + 3),
        {(0, 1): grid + moved[:, None]},
    ).purified(knots, density)
    np.testing.assert_allclose(other.base, once.base, atol=1e-9)
    for one, two in zip(once.effects, other.effects, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-9)
    np.testing.assert_allclose(other.pairs[0, 1], once.pairs[0, 1], atol=1e-9)
    # Nothing that a training row is told changes, and nothing in a pair is a matter of one column.
    for tables in (once, other):
        sums = tables.base + tables.of_columns(fine).sum(1) + tables.of_pairs(coarse).sum(1)
        np.testing.assert_allclose(sums, raw.base + raw.of_columns(fine).sum(1) + raw.of_pairs(coarse).sum(1))
        weighed = density.cells[0, 1][:, :, None] * tables.pairs[0, 1]
        np.testing.assert_allclose(weighed.sum(0), 0.0, atol=1e-9)
        np.testing.assert_allclose(weighed.sum(1), 0.0, atol=1e-9)


def test_the_pair_that_matters_comes_first() -> None:
    rng = np.random.default_rng(2)
    cells = rng.integers(0, 8, (2000, 6))
    y = (cells[:, 1] - 3.5) * (cells[:, 4] - 3.5) + 5 * cells[:, 0] + rng.normal(size=2000)
    y = (y - y.mean()) / y.std()
    assert rank_pairs(cells, cells, y, np.ones(2000), 1, np.arange(6))[0] == (1, 4)


def test_weighted_jobs_of_one_configuration_keep_their_terms() -> None:
    """As refits for a band are made: the same rows, other weights, one population."""
    dataset = planted(200)
    first = fitted(dataset)
    rng = np.random.default_rng(0)
    rows = first.job.rows
    jobs = [Job(f"refit {k}", rows, first.job.inner, 0, rng.exponential(size=len(rows))) for k in range(3)]
    effort = Effort(configuration=first.configuration)
    refits = list(AdditiveNetworks().fit(dataset, jobs, effort, Context(threads=1)))
    assert len(refits) == 3
    curves = [one.predict(dataset.inputs)[:, 0] for one in refits]
    assert 0 < np.std(curves, axis=0).mean() < 0.5 * np.std(dataset.y)
    for one in refits:
        assert one.configuration == first.configuration
