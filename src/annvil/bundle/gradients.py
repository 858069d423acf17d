"""The graph of a network's gradient beside a saved model, and what it comes to for rows: integrated gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from annvil.attribution.integrated_gradients import FloatArray, IntArray, Integrated, integrated_gradients
from annvil.bundle.sessions import onnx_type, session_of
from annvil.data.form import Form, Inputs
from annvil.errors import BundleError, first_line
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import Task

_OUTPUTS = ["slopes", "scores"]


def write_gradients(write: Callable[..., tuple[Value, Value]], form: Form, task: Task) -> bytes:
    """What ``write`` adds to a graph (`annvil.models.gradients.Gradients.write`), as a model.

    The inputs are those of the form and ``share``, float32 ``(rows, 1)``; the outputs ``slopes``, float64 ``(rows,
    n_features, n_explained)`` in the order of the form's columns, and ``scores``, float64 ``(rows, n_explained)``.
    """
    graph = Graph()
    raw = form.enter(graph)
    slopes, scores = write(graph, graph.input("share", "float32", ["rows", 1]), *raw)
    n_features, n_explained = _sizes(form, task)
    return graph.finish(
        {
            "slopes": (slopes, "float64", ["rows", n_features, n_explained]),
            "scores": (scores, "float64", ["rows", n_explained]),
        }
    )


def explain_by_gradients(graph: bytes, form: Form, task: Task, inputs: Inputs) -> Integrated:
    """Contributions of every feature to each explained score of rows, at least one.

    Raises
    ------
    BundleError
        When the graph is not one that `write_gradients` makes for such a model.
    """
    session, _ = session_of(graph, 1)
    found = [(value.name, value.type, value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())]
    n_features, n_explained = _sizes(form, task)
    expected = [(spec.name, onnx_type(spec.dtype), list(spec.shape)) for spec in form.graph_inputs()]
    slopes, double = [n_features, n_explained], "tensor(double)"
    others = [("share", "tensor(float)", [1]), ("slopes", double, slopes), ("scores", double, slopes[1:])]
    if found != [*expected, *others]:
        raise BundleError("The saved model is refused: its gradients do not have the inputs and outputs of its form.")

    def slopes_at(rows: IntArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
        feeds: dict[str, Any] = {**inputs.take(rows).feeds(), "share": shares[:, None].astype(np.float32)}
        try:
            slopes, scores = session.run(_OUTPUTS, feeds)
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            raise BundleError(f"The gradients of the saved model failed: {first_line(error)[:200]}.") from error
        return slopes, scores

    return integrated_gradients(slopes_at, inputs.n_rows)


def _sizes(form: Form, task: Task) -> tuple[int, int]:
    """Features, and scores that are explained."""
    return len(form.columns), task.link.contrasts(task.n_outputs).shape[1]
