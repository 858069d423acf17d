"""Weights chosen greedily, and a population looked at twice."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.kinds.tables.contenders import contenders_for_tables
from annvil.models.jobs import Context, Effort, Job
from annvil.models.networks.dense_networks import DenseNetworks
from annvil.models.networks.ensemble import MOST_DISTINCT, NetworkEnsemble, greedy_weights
from annvil.tasks.union import make_task

LITTLE = Effort(candidates=3, scale=0.05)


def made(n_rows=120):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, 2))
    table = table_from_columns([("a", "number", x[:, 0]), ("b", "number", x[:, 1])])
    dataset = Dataset(table, x[:, 0] * x[:, 1], make_task("regression", "y"), np.arange(n_rows))
    rows = np.arange(90)
    inner = tuple(Split(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3))
    return dataset, Job("a", rows, inner, 0)


def weights_of(*raw, folds=1):
    """Weights of candidates with these predictions of four validation rows, whose truth is 0."""
    y = np.zeros(8)
    dataset = Dataset(table_from_columns([("x", "number", y)]), y, make_task("regression", "y"), np.arange(8))
    rows = np.arange(4) if folds > 1 else np.arange(8)
    holdout = (Split(np.arange(4, 8), np.arange(4)),)
    job = Job("a", rows, (Split(rows[:2], rows[2:]), Split(rows[2:], rows[:2])) if folds > 1 else holdout, 0)
    raw = raw if folds > 1 else [[*values, *[np.nan] * 4] for values in raw]
    candidates = [SimpleNamespace(raw=np.array(values)[:, None]) for values in raw]
    return greedy_weights(dataset, SimpleNamespace(job=job, candidates=candidates))


def test_opposite_errors_cancel():
    # Errors +4 and -1: the mean is right with weights 1/5 and 4/5, found at the fifth addition; the last is worse.
    np.testing.assert_allclose(weights_of([4.0] * 4, [-1.0] * 4), [1 / 5, 4 / 5])


def test_a_candidate_that_only_adds_error_gets_nothing():
    np.testing.assert_array_equal(weights_of([1.0] * 4, [0.0] * 4, [1.0, -1.0, 1.0, -1.0]), [0, 1, 0])


def test_with_several_folds_only_candidates_close_to_the_best_are_averaged():
    # Mean squares 4, 4.1 and 4.84: the opposite errors of the third would help most, but it is 21% worse.
    ups, downs = [2.0, -2.0, 2.0, -2.0], [-2.2, 2.2, -2.2, 2.2]
    near = [-np.sqrt(4.1)] * 4
    np.testing.assert_array_equal(weights_of(ups, downs, folds=2), [1, 0])
    assert np.count_nonzero(weights_of(ups, downs, folds=1)) == 2
    assert np.count_nonzero(weights_of(ups, near, downs, folds=2)[:2]) == 2


def test_a_failed_candidate_gets_nothing():
    np.testing.assert_array_equal(weights_of([np.nan] * 4, [5.0] * 4), [0, 1])


def test_no_more_kinds_than_allowed():
    rng = np.random.default_rng(0)
    weights = weights_of(*rng.normal(size=(30, 4)))
    assert 1 < np.count_nonzero(weights) <= MOST_DISTINCT
    assert weights.sum() == pytest.approx(1)


def test_weights_are_no_worse_out_of_fold_than_the_best_candidate():
    dataset, job = made()
    (single,) = DenseNetworks().fit(dataset, [job], LITTLE, Context())
    (ensemble,) = NetworkEnsemble().fit(dataset, [job], LITTLE, Context())
    errors = [np.mean((fitted.out_of_fold[:, 0] - dataset.y[:90]) ** 2) for fitted in (single, ensemble)]
    assert errors[1] <= errors[0] * (1 + 1e-9)


def test_it_makes_no_difference_who_trained_the_population():
    dataset, job = made()
    context = Context()
    list(DenseNetworks().fit(dataset, [job], LITTLE, context))
    (looked_at,) = NetworkEnsemble().fit(dataset, [job], LITTLE, context)
    (trained,) = NetworkEnsemble().fit(dataset, [job], LITTLE, Context())
    assert looked_at.predict(dataset.inputs).tobytes() == trained.predict(dataset.inputs).tobytes()
    assert looked_at.configuration == trained.configuration


def test_it_says_whose_networks_it_looks_at():
    assert NetworkEnsemble.traits.shares_fits_with in {contender.name for contender in contenders_for_tables()}


def test_the_average_is_what_its_networks_say():
    dataset, job = made()
    (fitted,) = NetworkEnsemble().fit(dataset, [job], LITTLE, Context())
    (bag,) = fitted.members
    from annvil.models.networks.bag import network_outputs

    prepared = bag.preparation.transform(dataset.inputs)
    each = [network_outputs(network, prepared, bag.target)[:, 0] for network in bag.networks]
    np.testing.assert_allclose(fitted.predict(dataset.inputs)[:, 0], np.average(each, axis=0, weights=bag.weights))
    assert len(bag.networks) == 3 * len(fitted.configuration["weights"])
