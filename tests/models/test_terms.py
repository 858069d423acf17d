"""A sum of terms says what the model says, before and after it is calibrated, centred and written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from annvil.bundle.sessions import session_of
from annvil.data.splits import Split
from annvil.kinds.tables.tiny import tiny
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Effort, Job
from annvil.models.linear import Linear
from annvil.models.members import Fitted
from annvil.models.spline_additive import SplineAdditive
from annvil.onnx.builder import Graph
from annvil.tasks.calibration import VectorScaling


def fitted(asked: str, contender: Contender | None = None) -> tuple[Any, Fitted]:
    """The tiny data set of a task and a model of it, the linear one by default."""
    dataset = tiny()[asked].dataset
    rows = np.arange(dataset.n_rows)
    job = Job("first", rows, (Split(rows[rows % 5 > 0], rows[rows % 5 == 0]),), seed=0)
    (one,) = (contender or Linear()).fit(dataset, [job], Effort(), Context())
    return dataset, one


@pytest.mark.parametrize("asked", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("contender", [Linear(), SplineAdditive()], ids=lambda one: one.name)
@pytest.mark.parametrize("calibrated", [False, True])
def test_terms_add_up_to_what_is_explained(asked: str, calibrated: bool, contender: Contender) -> None:
    dataset, one = fitted(asked, contender)
    if calibrated and dataset.task.predicts_probabilities:
        n = dataset.task.n_outputs
        one.calibration = VectorScaling(0.7, tuple(np.linspace(-0.5, 0.5, n)))
    inputs = dataset.inputs.take(np.arange(40))
    said = dataset.task.link.explained(one.predict(inputs))
    additive = one.additive()
    assert additive is not None
    scores = additive.scores(inputs)
    if asked == "regression":  # predictions are held within the range of the target
        scores = np.clip(scores, dataset.y[one.job.rows].min(), dataset.y[one.job.rows].max())
    np.testing.assert_allclose(scores, said, atol=1e-6)
    centred = additive.centred(inputs)
    np.testing.assert_allclose(centred.contributions(inputs).mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(centred.scores(inputs), additive.scores(inputs), atol=1e-9)


@pytest.mark.parametrize("contender", [Linear(), SplineAdditive()], ids=lambda one: one.name)
@pytest.mark.parametrize("asked", ["binary", "regression"])
def test_written_terms_are_those_in_memory(asked: str, contender: Contender) -> None:
    dataset, one = fitted(asked, contender)
    inputs = dataset.inputs.take(np.arange(40))
    additive = one.additive()
    assert additive is not None
    centred, graph = additive.centred(inputs), Graph()
    value = centred.write(graph, *dataset.inputs.form.enter(graph))
    shape = ["rows", len(centred.terms), len(centred.base)]
    session, _ = session_of(graph.finish({"contributions": (value, "float64", shape)}))
    (found,) = session.run(["contributions"], inputs.feeds())
    np.testing.assert_allclose(found, centred.contributions(inputs), atol=1e-6)
