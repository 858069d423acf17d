"""A saved model at work: onnxruntime and NumPy, nothing else.

One row costs one call of the session. Each session runs on one thread: below about a millisecond of work a second one
waits longer than it helps (measured: up to 60 times slower on busy cores). Large inputs are cut into blocks, and the
blocks run side by side.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from annvil.bundle.explanation import Explanation, read_explanation
from annvil.bundle.manifest import EXPLANATION, GRAPH, STEP, WEIGHTS, Info, Manifest, describe, described
from annvil.bundle.sessions import onnx_type, session_of
from annvil.bundle.storage import Storage, opened
from annvil.bundle.stream import Stream
from annvil.data.form import Conformed, Form, InputNotice
from annvil.errors import BundleError, RequestError, first_line
from annvil.onnx.validation.graph_reader import ReadGraph
from annvil.onnx.validation.inference import rows_at_once, work_per_row
from annvil.system.processors import allowed_cores
from annvil.tasks.base import FloatArray, Task

if TYPE_CHECKING:
    from annvil.attribution.explained import Explained
    from annvil.bundle.changing import Counterfactual
    from annvil.bundle.effects import Effect

BLOCK_ROWS = 1024
"""Rows given to the graph at once. Measured: as quick as 4096 or 16384 with every contender, and nearest neighbours
hold (rows at once) × (training rows) distances in memory."""


BLOCK_VALUES = 1 << 20
"""Numbers given to the graph at once, so that the activations of rows of many values stay within memory (assumed)."""

_OUTPUTS = ["prediction"]


class Rows(Protocol):
    """What the graph needs of inputs (`annvil.data.form.Inputs`)."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    def take(self, rows: slice) -> Self:
        """The rows asked for."""

    def feeds(self) -> dict[str, NDArray[Any]]:
        """The arrays that the graph takes for them."""


class Predictor:
    """A model loaded from a bundle. Safe to use from several threads at once, and after a fork.

    Attributes
    ----------
    manifest : everything told about the model
    parts : what lies beside its graph, by name
    work : products and sums that a row takes
    form : what it asks of raw input
    task : the question it answers; ``task.classes`` is the order of the columns of `predict_proba`
    """

    def __init__(self, parts: Mapping[str, bytes], manifest: Manifest) -> None:
        self.manifest = manifest
        self.parts = {name: content for name, content in parts.items() if name != GRAPH}
        self.form: Form = manifest.form
        self.task: Task = manifest.task
        self._session, checked = _session(parts[GRAPH], self.form, self.task)
        self.work = work_per_row(checked)
        self._block_rows = rows_at_once(checked, max(1, min(BLOCK_ROWS, BLOCK_VALUES // max(self.form.n_values, 1))))

    def __repr__(self) -> str:
        """What it predicts: ``"Predictor('survived', Boosted trees)"``."""
        title = self.manifest.info.title
        return f"Predictor({self.task.target!r}{f', {title}' if title else ''})"

    @classmethod
    def from_graph(
        cls, graph: bytes, form: Form, task: Task, step: bytes | None = None, beside: Mapping[str, bytes] | None = None
    ) -> Predictor:
        """The model that a bundle of these parts would be, without saving it; the same checks are made."""
        parts = {GRAPH: graph, **({} if step is None else {STEP: step}), **(beside or {})}
        return cls(parts, describe(form, task, Info(), described(parts)))

    def predict(self, rows: Any) -> NDArray[Any]:
        """Labels as the user wrote them, or float64 values; shape ``(n_rows,)``.

        Where several labels are right at once: int64 0 and 1 ``(n_rows, n_labels)`` in the order of ``task.classes``.

        Parameters
        ----------
        rows : whatever the model's form takes: of a table a frame, a dict of columns, a list of dicts, one dict for one
            row, an array with exactly these columns, or a path. What is ignored, such as columns the model does not
            use, is said in an `InputNotice`.

        Raises
        ------
        DataError
            When columns are missing or values cannot be read.
        """
        return self.decide(self.outputs(rows))

    def predict_proba(self, rows: Any) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)``, columns in the order of ``task.classes``; ``rows`` as in `predict`.

        Of several labels each has a probability of its own; otherwise a row adds up to 1.

        Raises
        ------
        RequestError
            When the model predicts a number.
        """
        if not self.task.predicts_probabilities:
            raise RequestError(
                f"The model predicts the number {self.task.target!r}, which has no probabilities: use predict."
            )
        return self.outputs(rows)

    def outputs(self, rows: Any) -> FloatArray:
        """Probabilities or values ``(n_rows, n_outputs)``, whatever the task; ``rows`` as in `predict`."""
        conformed = self.conform(rows)
        for notice in conformed.notices:
            warnings.warn(notice, InputNotice, stacklevel=3)
        return self.raw(conformed.inputs)

    def conform(self, rows: Any, *, where: str = "the rows to predict") -> Conformed:
        """The rows as inputs of exactly this form, and notices for people; ``where`` names the rows in errors."""
        return self.form.conform(rows, where)

    def explain(self, rows: Any, method: str = "auto", label: str | None = None) -> Explained:
        """What each feature contributes to what is predicted for rows: contributions and a base value that add up to
        the score, and whether they may be believed. A frame with a drawing (`annvil.attribution.explained.Explained`).

        Parameters
        ----------
        rows : as in `predict`
        method : "exact" of models that are a sum of terms, "shapley" of any, "integrated-gradients" of networks that
            carry their gradients; "auto": exact where that is possible, else Shapley values
        label : the class to explain; default: of two classes the second, of several the one that a row is said to be

        Raises
        ------
        RequestError
            When the model carries nothing to explain it by, or label or method are not among its own.
        DataError
            When the rows cannot be read, or are none.
        """
        from annvil.bundle.explaining import explain

        return explain(self, rows, method, label)

    def counterfactual(self, row: Any, change: Sequence[str] | str, wanted: Any = None) -> Counterfactual:
        """The smallest plausible change of one row in the columns ``change`` after which the model says what is wanted.

        Few columns come before small steps. Values stay within what the training had; the model itself is asked of
        what is found.

        Parameters
        ----------
        row : one row, as in `predict`
        change : columns that may be changed
        wanted : a class, or a bound for a number, such as ``">= 30"``; default: the other of two classes

        Raises
        ------
        RequestError, DataError
            As `explain`, and when a column or what is wanted is unknown, or there is not exactly one row.
        """
        from annvil.bundle.changing import counterfactual

        return counterfactual(self, row, wanted, change)

    def effects(self) -> tuple[Effect, ...]:
        """What each feature, pair or projection does, as arrays with bands, the most important first; raises as
        `explain` does."""
        from annvil.bundle.explaining import explanation_of

        return explanation_of(self).effects

    def raw(self, inputs: Rows) -> FloatArray:
        """Outputs of the graph for inputs of this form, float64 ``(n_rows, n_outputs)``."""
        if inputs.n_rows <= self._block_rows:
            return self._run(inputs) if inputs.n_rows else np.empty((0, self.task.n_outputs))
        blocks = [slice(start, start + self._block_rows) for start in range(0, inputs.n_rows, self._block_rows)]
        with ThreadPoolExecutor(min(allowed_cores(), len(blocks)), thread_name_prefix="annvil-predict") as pool:
            return np.concatenate(list(pool.map(lambda rows: self._run(inputs.take(rows)), blocks)))

    def stream(self, n_series: int = 1) -> Stream:
        """Predictions step by step, of so many series side by side, with what the model remembers as a state.

        Raises
        ------
        RequestError
            When the model cannot be called step by step: only feedback networks that read in one direction, on the
            scale of the training data, carry all that they need from step to step.
        """
        if STEP not in self.parts:
            raise RequestError(
                "This model cannot be called step by step: it looks at all moments at once. Recurrent networks that "
                "read in one direction can."
            )
        session, _ = session_of(self.parts[STEP], 1)
        return Stream(session, self.task.n_outputs, [name for name, _ in self.form.columns], n_series)

    @cached_property
    def explanation(self) -> Explanation | None:
        """What explains it; None of models saved by earlier versions, and of kinds of data without such a thing.

        Raises
        ------
        BundleError
            When it does not fit the model.
        """
        content = self.parts.get(EXPLANATION)
        return None if content is None else read_explanation(content, self.form, self.task)

    def decide(self, outputs: FloatArray) -> NDArray[Any]:
        """Labels or values for outputs of `raw`: the likeliest class, or ``classes[1]`` from the threshold on; 0 and 1
        for each of several labels."""
        return self.task.said(outputs, self.manifest.info.threshold)

    def _run(self, inputs: Rows) -> FloatArray:
        try:
            outputs: FloatArray = self._session.run(_OUTPUTS, inputs.feeds())[0]
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            raise BundleError(f"The saved model failed on {inputs.n_rows} rows: {first_line(error)[:200]}.") from error
        return outputs


def load(path: str | Path) -> Predictor:
    """The model saved at ``path``: a bundle's folder or zip file. Runs no code from it.

    The manifest is verified first, then size and SHA-256 of every part, then the graph's operators; only then does
    onnxruntime see the graph, as bytes.

    Raises
    ------
    BundleError
        When there is no bundle, when it is damaged or hostile, or comes from a later version.
    """
    return Predictor(*opened(path))


def load_weights(path: str | Path) -> dict[str, NDArray[Any]]:
    """The arrays kept for going on training, by name; empty when the bundle has none. Raises as `load` does."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_safetensors

    with Storage(Path(path)) as storage:
        if WEIGHTS not in storage.manifest.parts:
            return {}
        try:
            return dict(from_safetensors(storage.part(WEIGHTS)))
        except SafetensorError as error:
            raise BundleError(f"{storage.path / WEIGHTS} holds no weights: {first_line(error)[:200]}.") from None


def _session(graph: bytes, form: Form, task: Task) -> tuple[Any, ReadGraph]:
    """A session with the inputs and output that we write."""
    session, checked = session_of(graph, 1)
    found = [(value.name, value.type, value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())]
    expected = [(spec.name, onnx_type(spec.dtype), list(spec.shape)) for spec in form.graph_inputs()]
    if found != [*expected, ("prediction", "tensor(double)", [task.n_outputs])]:
        raise BundleError("The saved model is refused: its graph does not have the inputs and output of its manifest.")
    return session, checked
