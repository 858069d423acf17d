"""Whatever table can be read, every contender fits it or refuses it in a sentence, and predicts finite numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.strategies import Case, columns_of_values

from annvil.bundle import Predictor, export
from annvil.data.splits import Split, inner_splits, outer_splits
from annvil.errors import AnnvilError
from annvil.kinds.registry import read
from annvil.kinds.tables.contenders import contenders_for_tables
from annvil.models.jobs import Context, Effort, Job

CONTENDERS = {contender.name: contender for contender in contenders_for_tables()}
QUICK = ("dummy", "linear", "neighbours", "boosted-trees")
USUALLY_QUICK = st.sampled_from([*QUICK * 6, "dense-network", "shared-ensemble", "network-ensemble"])

quick = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
thorough = settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))


def fit_and_check(case: Case, name: str) -> None:
    try:
        dataset = read(case.as_dict(), target=case.target, drop_missing_target=True)
        rows = outer_splits(dataset, 3, 1, 0)[0][0].train
        inner = tuple(Split(split.train, split.test) for split in inner_splits(dataset, rows, 2, 0))
        job = Job("only", rows, inner, 0)
        fitted = next(CONTENDERS[name].fit(dataset, [job], Effort(candidates=1, scale=0.02), Context()))
    except AnnvilError as error:
        if not str(error):
            raise
        return
    outputs = fitted.predict(dataset.inputs)
    assert np.isfinite(outputs).all()
    assert outputs.shape == (dataset.n_rows, dataset.task.n_outputs)
    if dataset.task.predicts_probabilities:
        np.testing.assert_allclose(outputs.sum(axis=1), 1.0, atol=1e-6)
    graph = export(fitted, dataset.inputs.form, dataset.task)
    shipped = Predictor.from_graph(graph, dataset.inputs.form, dataset.task).raw(dataset.inputs)
    scale = 1.0 if dataset.task.predicts_probabilities else max(float(np.std(dataset.y)), 1e-300)
    np.testing.assert_allclose(shipped / scale, outputs / scale, atol=1e-4)


@quick
@given(columns_of_values(), USUALLY_QUICK)
def test_hostile_tables_are_fitted_or_refused(case: Case, name: str) -> None:
    fit_and_check(case, name)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@thorough
@given(columns_of_values(), USUALLY_QUICK)
def test_many_hostile_tables_are_fitted_or_refused(case: Case, name: str) -> None:
    fit_and_check(case, name)
