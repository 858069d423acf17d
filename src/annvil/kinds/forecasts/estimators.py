"""A forecaster as a scikit-learn estimator: one contender of `annvil.kinds.forecasts.contenders`, fitted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from msgspec.structs import replace as with_changes
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from annvil.data.dataset import Dataset
from annvil.data.readers.opened import read_raw
from annvil.data.splits import inner_splits
from annvil.errors import DataError, RequestError
from annvil.kinds.forecasts.conform import at_the_end, conform_histories, store_of_table
from annvil.kinds.forecasts.contenders.registry import contenders_for_forecasts
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.histories import Histories, Store
from annvil.kinds.forecasts.predict_table import USUAL, ForecastPredictOptions, forecast_columns, levels
from annvil.kinds.forecasts.reading.origins import known_lengths
from annvil.kinds.forecasts.spread import measured_spread
from annvil.kinds.registry import read
from annvil.models.contract import Contender
from annvil.models.estimator_parts import check_whole_number
from annvil.models.jobs import Context, Effort, Job
from annvil.models.ladder import ALL
from annvil.models.members import Fitted
from annvil.tasks.base import FloatArray

NETWORK_CANDIDATES = 2
"""Settings that a network tries, on values and on logarithms; simple models try all that they have."""

VALUE, SERIES = "value", "series"
"""Columns that arrays become."""


class Forecaster(BaseEstimator):  # type: ignore[misc]
    """One way to forecast, with intervals; `annvil.fit` with a horizon compares them all.

    Histories are frames with one row a step (pandas, Polars, PyArrow, a dict of columns, a path), an array ``(steps,)``
    or ``(n_series, steps)``, or a list of arrays of different lengths.

    Parameters
    ----------
    model : "linear-map", "autoregression", "exponential-smoothing", "theta", "drift", "seasonal-naive", "dummy",
        "boosted-trees", or a network: "dense-network", "recurrent-network", "convolutional-network"
    season : steps of a season, 1 for none; found out where it is not given
    frequency : distance of two steps, such as "1h"; found out where it is not given
    n_folds : rolling origins in so many blocks choose the settings, and their errors make the intervals
    training_length : multiplies the steps of a network's training
    time_budget : seconds after which training stops with the best so far; then results depend on the machine
    random_state : seed

    Attributes
    ----------
    fitted_ : `annvil.models.members.Fitted`
    form_ : what was found out: season, frequency, columns by role

    Examples
    --------
    >>> months = np.arange(96)
    >>> sold = 100 + months + 10 * np.sin(2 * np.pi * months / 12)
    >>> ahead = Forecaster("seasonal-naive", season=12).fit(sold, horizon=3).predict(intervals=())
    >>> ahead["step"].tolist(), ahead["predicted_value"].round(1).tolist()
    ([96, 97, 98], [184.0, 190.0, 194.7])
    """

    fitted_: Fitted
    form_: ForecastForm

    def __init__(
        self,
        model: str = "linear-map",
        *,
        season: int | None = None,
        frequency: str | None = None,
        n_folds: int = 5,
        training_length: float = 1.0,
        time_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.season = season
        self.frequency = frequency
        self.n_folds = n_folds
        self.training_length = training_length
        self.time_budget = time_budget
        self.random_state = random_state

    def fit(
        self,
        history: Any,
        y: None = None,
        *,
        horizon: int | None = None,
        target: str | Sequence[str] | None = None,
        time: str | None = None,
        series: str | Sequence[str] | None = None,
        known: str | Sequence[str] = (),
    ) -> Self:
        """Learn from all origins of these histories.

        Parameters
        ----------
        y : ignored, as forecasts have no other answers than how the history goes on
        horizon : steps ahead; default: a season
        target, time, series, known : columns of a frame, as `annvil.fit` has them; arrays have none

        Raises
        ------
        RequestError, DataError
            With file, series and moment, and what to change.
        """
        contender = self._checked_contender()
        columns: dict[str, Any] = {"target": target, "time": time, "series": series, "known": known}
        columns = {name: value for name, value in columns.items() if value not in (None, (), [])}
        if _is_array(history):
            if columns:
                raise RequestError(f"Forecaster: an array has no columns to name; got {', '.join(columns)}.")
            columns = {"target": VALUE, "series": SERIES}
        given: dict[str, Any] = {
            "season": self.season,
            "frequency": self.frequency,
            "horizon": 0 if horizon is None else horizon,
        }
        if horizon is not None and horizon < 1:
            raise RequestError(f"Forecaster: horizon must be a number of steps from 1 on; got {horizon!r}.")
        if isinstance(columns.get("series"), (list, tuple)):
            columns["series"] = ",".join(f'"{name}"' for name in columns["series"])
        dataset: Dataset[Histories] = read(_table(history), **columns, **given)
        self.fitted_ = self._fitted(contender, dataset)
        rows = np.flatnonzero(np.isfinite(self.fitted_.out_of_fold).all(axis=1))
        store = dataset.inputs.store
        self.form_ = store.form
        if len(rows):
            spread = measured_spread(dataset.inputs.take(rows), dataset.y[rows], self.fitted_.out_of_fold[rows])
            self.form_ = with_changes(store.form, spread=spread)
        self._store: Store = replace(store, form=self.form_)
        self._library = _library_of(history)
        return self

    def _fitted(self, contender: Contender, dataset: Dataset[Histories]) -> Fitted:
        rows = np.arange(dataset.n_rows)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        job = Job("fit", rows, inner_splits(dataset, rows, self.n_folds, seed), seed)
        candidates = NETWORK_CANDIDATES if contender.family == "network" else ALL
        effort = Effort(candidates, self.training_length, inner_folds=self.n_folds)
        context = Context(float("inf") if self.time_budget is None else self.time_budget)
        fitted = next(iter(contender.fit(dataset, [job], effort, context)), None)
        if fitted is None:
            raise RequestError(f"Forecaster: nothing could be trained within {self.time_budget} s.")
        return fitted

    def _checked_contender(self) -> Contender:
        by_name = {one.name: one for one in contenders_for_forecasts()}
        if self.model not in by_name:
            said = ", ".join(repr(one) for one in by_name)
            raise RequestError(f"Forecaster: model must be one of {said}; got {self.model!r}.")
        check_whole_number(self, "n_folds", self.n_folds, 1)
        if not self.training_length > 0:
            raise RequestError(f"Forecaster: training_length must be above 0; got {self.training_length!r}.")
        return by_name[self.model]

    def predict(self, history: Any = None, horizon: int | None = None, *, intervals: Any = USUAL) -> Any:
        """The steps that come after each series: a frame of the library that ``history`` is of, else a dict of arrays.

        Parameters
        ----------
        history : as in fitting, with rows for the steps ahead (without a target) where columns are known ahead;
            default: what was learnt from
        horizon : only so many steps; default: all that were learnt
        intervals : percentages between 50 and 99

        Returns
        -------
        columns with the series (where there are several), the moment, ``predicted_TARGET``, and ``low_80``, ``high_80``
        and so on

        Raises
        ------
        RequestError, DataError
            Where a column lacks, time goes back, values known ahead lack, or more steps are asked for than were learnt.
        """
        check_is_fitted(self, "fitted_")
        library = self._library if history is None else _library_of(history)
        if history is None:
            inputs = at_the_end(self._store, "the history that was learnt from")
        else:
            inputs, _ = conform_histories(_table(history), self.form_, "history")
        options = ForecastPredictOptions(horizon=horizon, intervals=levels(intervals))
        columns = {
            name: np.asarray(cells)
            for name, cells in forecast_columns(self.fitted_.predict(inputs), inputs, options, dated=True)
        }
        if library is None:
            return columns
        import narwhals as nw

        return nw.from_dict(columns, backend=library).to_native()

    def score(self, history: Any, y: None = None, horizon: int | None = None) -> float:
        """Minus the MASE of the last ``horizon`` steps of each series, forecast from what comes before them: 0 is
        perfect, above -1 is better than repeating the last season."""
        check_is_fitted(self, "fitted_")
        steps = self.form_.horizon if horizon is None else horizon
        if not 1 <= steps <= self.form_.horizon:
            raise RequestError(f"Forecaster: horizon must lie between 1 and {self.form_.horizon}; got {horizon!r}.")
        store, _ = store_of_table(read_raw(_table(history)), self.form_)
        lengths = known_lengths(store)
        if (lengths <= steps).any():
            name = store.names[int(np.argmax(lengths <= steps))]
            raise DataError(f"Series {name!r} is too short for a score: it needs more than {steps} steps.")
        inputs = Histories(store, np.arange(len(lengths)), lengths - steps)
        off: FloatArray = np.abs(self.fitted_.predict(inputs) - inputs.answers())[:, :steps]
        return -float(np.mean(off / inputs.scales()[:, None]))


def _is_array(history: Any) -> bool:
    """Whether these are bare numbers, one series or several."""
    if isinstance(history, np.ndarray):
        return True
    return isinstance(history, (list, tuple)) and bool(len(history)) and not isinstance(history[0], Mapping)


def _table(history: Any) -> Any:
    """A source of a table: arrays become columns."""
    if not _is_array(history):
        return history
    if isinstance(history, np.ndarray) or np.isscalar(history[0]):
        array = np.asarray(history, dtype=np.float64)
        if array.ndim not in (1, 2):
            raise DataError(f"Histories are arrays (steps,) or (n_series, steps); got {array.shape}.")
        parts = list(np.atleast_2d(array))
    else:
        parts = [np.asarray(one, dtype=np.float64).ravel() for one in history]
    names = np.repeat(np.arange(len(parts)), [len(one) for one in parts])
    return {SERIES: [str(one) for one in names.tolist()], VALUE: np.concatenate(parts)}


def _library_of(history: Any) -> Any:
    """The library whose frame this is; None where it is none."""
    if _is_array(history) or isinstance(history, (Mapping, str, list)) or not hasattr(history, "columns"):
        return None
    import narwhals as nw

    return nw.get_native_namespace(history)
