"""A saved model called step by step: each call gives the values of one moment and gets the prediction so far.

The graph of a step lies beside the graph of whole series (`annvil.bundle.manifest.STEP`): values and a state in, the
prediction and the next state out. It runs in onnxruntime alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import BundleError, DataError, RequestError, first_line
from annvil.tasks.base import FloatArray

_OUTPUTS = ["prediction", "next_state"]


class Stream:
    """Series that are read side by side, one moment after another; see `annvil.bundle.predictor.Predictor.stream`.

    Attributes
    ----------
    columns : names of the values of a moment, in order
    n_series : series that are read side by side
    n_steps : moments that were read
    """

    def __init__(self, session: Any, n_outputs: int, columns: Sequence[str], n_series: int = 1) -> None:
        if n_series < 1:
            raise RequestError(f"A stream reads at least one series; got {n_series}.")
        found = [(one.name, one.type) for one in (*session.get_inputs(), *session.get_outputs())]
        expected = [("values", "tensor(float)"), ("state", "tensor(float)")]
        expected += [("prediction", "tensor(double)"), ("next_state", "tensor(float)")]
        sizes = [one.shape[1:] for one in (*session.get_inputs(), *session.get_outputs())]
        fits = found == expected and sizes[0] == [len(columns)] and sizes[2] == [n_outputs] and sizes[1] == sizes[3]
        if not fits or len(sizes[1]) != 1 or not isinstance(sizes[1][0], int):
            raise BundleError("The saved model is refused: its graph of a step does not fit its manifest.")
        self.columns, self.n_series, self.n_steps = tuple(columns), n_series, 0
        self._session = session
        self._state: NDArray[np.float32] = np.zeros((n_series, sizes[1][0]), dtype=np.float32)

    @property
    def state(self) -> NDArray[np.float32]:
        """What the model remembers, float32 ``(n_series, n_state)``: a copy, which can be kept and given back."""
        return self._state.copy()

    @state.setter
    def state(self, state: Any) -> None:
        values = np.array(state, dtype=np.float32)
        if values.shape != self._state.shape or not np.isfinite(values).all():
            raise RequestError(f"A state of this model is finite numbers of shape {self._state.shape}.")
        self._state = values

    def step(self, values: Any) -> FloatArray:
        """The prediction after one more moment: probabilities or values, float64 ``(n_series, n_outputs)``.

        The same as of the whole series up to here. It is known from the first step on, and worth what so few steps are.

        Parameters
        ----------
        values : of that moment ``(n_series, n_columns)``, or ``(n_columns,)`` of a single series, in the order of
            `columns`; NaN where one is missing, which counts as the mean of its column (in whole series it lies
            between its neighbours, of which the next one is not known here)

        Raises
        ------
        DataError
            When it has another shape, or holds anything but finite numbers and NaN.
        """
        shape = self.n_series, len(self.columns)
        try:
            given = np.asarray(values, dtype=np.float32)
        except (TypeError, ValueError):
            raise DataError(f"Values of a step must be numbers of shape {shape}.") from None
        given = given[None] if given.ndim == 1 and self.n_series == 1 else given
        if given.shape != shape:
            named = ", ".join(self.columns)
            raise DataError(f"Values of a step must have shape {shape} ({named}); got {np.shape(values)}.")
        if np.isinf(given).any():
            raise DataError(f"Values of step {self.n_steps + 1} are infinite, or beyond float32.")
        try:
            outputs: FloatArray
            outputs, self._state = self._session.run(_OUTPUTS, {"values": given, "state": self._state})
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            raise BundleError(f"The saved model failed on a step: {first_line(error)[:200]}.") from error
        self.n_steps += 1
        return outputs

    def reset(self) -> None:
        """Back to before the first moment."""
        self._state, self.n_steps = np.zeros_like(self._state), 0
