"""The graph of a bundle that says what each term of a sum adds to what is explained."""

from __future__ import annotations

import numpy as np

from annvil.attribution.shapley import Feeds
from annvil.bundle.sessions import onnx_type, session_of
from annvil.data.form import Form
from annvil.errors import BundleError, first_line
from annvil.onnx.validation.inference import work_per_row
from annvil.tasks.base import FloatArray

BLOCK = 1024
"""Rows of a call (assumed: their values stay in the cache)."""


class TermGraph:
    """Opened, and checked against the form of the model and what its explanation says of the terms.

    ``work`` is the number of products and sums that a row takes.

    Raises
    ------
    BundleError
        When there is no such graph (``content`` None), or it does not fit.
    """

    def __init__(self, content: bytes | None, form: Form, n_terms: int, n_explained: int) -> None:
        if content is None:
            raise BundleError("The saved model is refused: its explanation has terms, and their graph is missing.")
        self._session, checked = session_of(content, 1)
        self.work = work_per_row(checked)
        found = [
            (one.name, one.type, one.shape[1:]) for one in (*self._session.get_inputs(), *self._session.get_outputs())
        ]
        expected = [(spec.name, onnx_type(spec.dtype), list(spec.shape)) for spec in form.graph_inputs()]
        if found != [*expected, ("contributions", "tensor(double)", [n_terms, n_explained])]:
            raise BundleError("The saved model is refused: the graph of its terms does not fit its explanation.")

    def contributions(self, feeds: Feeds) -> FloatArray:
        """Float64 ``(n_rows, n_terms, n_explained)``."""
        parts = []
        for start in range(0, len(next(iter(feeds.values()))), BLOCK):
            part = {name: array[start : start + BLOCK] for name, array in feeds.items()}
            try:
                parts.append(self._session.run(["contributions"], part)[0])
            except Exception as error:  # onnxruntime's exceptions share no base of their own
                raise BundleError(f"The terms of the saved model failed: {first_line(error)[:200]}.") from error
        return np.concatenate(parts)
