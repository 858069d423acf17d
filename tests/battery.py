"""What the batteries of contenders share: jobs, fits, and the graph of a fit in onnxruntime."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from annvil.data.splits import Split
from annvil.models.jobs import Context, Effort, Job
from annvil.onnx.builder import Graph
from annvil.onnx.validator import check_graph

LITTLE = Effort(candidates=2, scale=0.05)


def made_job(dataset, rows=None, folds=3, seed=0, key="test"):
    """Inner folds dealt out at random; ``folds=1`` is one holdout of a fifth."""
    rows = np.arange(dataset.n_rows) if rows is None else rows
    fold = np.random.default_rng(seed).permutation(len(rows)) % (5 if folds == 1 else folds)
    inner = tuple(Split(rows[fold != k], rows[fold == k]) for k in range(folds))
    return Job(key, rows, inner, seed)


def fit_one(contender, dataset, job, effort=LITTLE):
    (fitted,) = contender.fit(dataset, [job], effort, Context(threads=1))
    return fitted


def unit(dataset):
    """What an error is measured against: 1 for probabilities, the spread of the target for values."""
    return 1.0 if dataset.task.predicts_probabilities else float(np.std(dataset.y))


def assert_sound(outputs, dataset, n_rows):
    assert outputs.shape == (n_rows, dataset.task.n_outputs)
    assert outputs.dtype == np.float64
    assert np.isfinite(outputs).all()
    if dataset.task.predicts_probabilities:
        assert outputs.min() >= 0
        assert outputs.max() <= 1 + 1e-6
    if dataset.task.one_class_a_row:
        np.testing.assert_allclose(outputs.sum(axis=1), 1.0, atol=1e-6)


def shipped(fitted, inputs):
    """What the graph says of these inputs."""
    return Shipped(fitted, inputs.form).predict(inputs)


class Shipped:
    """The graph of a fit, checked and opened."""

    def __init__(self, fitted, form):
        graph = Graph()
        raw = form.enter(graph)
        outputs = fitted.task.n_outputs
        model = graph.finish({"prediction": (fitted.write(graph, *raw), "float64", ["rows", outputs])})
        check_graph(model)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.known = {one.name for one in self.session.get_inputs()}

    def predict(self, inputs):
        feeds = {name: values for name, values in inputs.feeds().items() if name in self.known}
        return self.session.run(None, feeds)[0]
