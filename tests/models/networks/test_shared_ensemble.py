"""Shared ensembles: what is special about them; the rest is the battery's and the search's."""

from __future__ import annotations

import numpy as np
import torch

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.models.jobs import Context, Effort, Job
from annvil.models.networks.shared_ensemble import MEMBERS, SharedEnsembles, SharedFamily
from annvil.models.networks.table_family import Sizes
from annvil.tasks.union import make_task


def made(n_rows, columns, kind="regression", seed=0):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(n_rows, columns)), 1)
    table = table_from_columns([(f"x{i}", "number", x[:, i]) for i in range(columns)])
    y = np.abs(x[:, 0]) if kind == "regression" else (np.abs(x[:, 0]) > 0.7).astype(np.int64)
    task = make_task("regression", "y") if kind == "regression" else make_task("binary", "y", ("no", "yes"))
    return Dataset(table, y, task, np.arange(n_rows))


def job_of(n_rows, key="a"):
    rows = np.arange(n_rows)
    return Job(key, rows, tuple(Split(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)), 0)


def test_a_bend_in_one_column_is_learnt():
    dataset = made(500, 3)
    (fitted,) = SharedEnsembles().fit(dataset, [job_of(400)], Effort(scale=0.5), Context())
    found = fitted.predict(dataset.inputs)[400:, 0]
    assert np.mean((found - dataset.y[400:]) ** 2) < 0.1 * dataset.y[400:].var()


def test_probabilities_are_the_mean_of_the_members_probabilities():
    dataset = made(90, 2, "binary")
    (fitted,) = SharedEnsembles().fit(dataset, [job_of(90)], Effort(scale=0.05), Context())
    (bag,) = fitted.members
    numbers, codes = bag.preparation.transform(dataset.inputs)
    with torch.no_grad():
        logits = bag.networks[0](numbers, codes)
    assert logits.shape == (90, MEMBERS, 2)
    by_hand = torch.softmax(logits.double(), -1).mean(1).numpy()
    from annvil.models.networks.bag import network_outputs

    found = network_outputs(bag.networks[0], (numbers, codes), None)
    np.testing.assert_allclose(found, by_hand)


def test_jobs_whose_columns_have_other_quantiles_are_trained_in_populations_of_their_own():
    dataset = made(200, 1)
    few = np.arange(200)[np.abs(dataset.inputs.columns[0].values) < 0.25]  # five distinct values, fewer bins
    jobs = [job_of(150), Job("b", few, (Split(few[::2], few[1::2]), Split(few[1::2], few[::2])), 1)]
    fits = list(SharedEnsembles().fit(dataset, jobs, Effort(scale=0.05), Context()))
    bins = [fitted.members[0].networks[0].embedding.weight.shape[1] for fitted in fits]
    assert [fitted.job.key for fitted in fits] == ["a", "b"]
    assert bins[0] != bins[1]


def test_bins_grow_with_rows():
    def bins(n_rows):
        return SharedFamily().bins(Sizes(n_rows, 3, 3, (), 2, True))

    assert [bins(n) for n in (50, 1_280, 100_000)] == [8, 20, 48]
