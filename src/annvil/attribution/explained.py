"""Predictions with what each feature contributes to them: as arrays, sentences, a drawing and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from annvil.errors import MachineError, RequestError
from annvil.plots.charts.waterfall import Step, Waterfall, waterfall
from annvil.plots.standalone import alone
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed, shorten
from annvil.text.quantities import minus, number, tiny

Method = Literal["exact", "shapley", "integrated-gradients"]

METHODS = {
    "exact": "Contributions are exact: the model is a sum of terms.",
    "shapley": "Contributions are Shapley values: the model was called with features taken from summary points.",
    "integrated-gradients": "Contributions are integrated gradients on the way from the mean of the training rows.",
}
"""How each method finds contributions, in words."""

TOLERANCE = 1e-3
"""What contributions and base value may miss of the score, in parts of the range of scores."""

ROUNDING = 1e-9
"""Parts of the range that are not worth a word."""

MOST_NAMED = 3
"""Features that a sentence names for each direction."""

MOST_ROWS_SHOWN = 10
"""Rows that a notebook shows."""


@dataclass(frozen=True)
class Explained:
    """Some rows, what a model predicts for them, and what each feature contributes to that.

    Contributions and ``base_value`` add up to ``score``: log-odds of a class, or the number that is predicted.

    Attributes
    ----------
    features : names, in the order of the model's form
    values : of each row and feature, as people read them
    matrix, errors : contributions and their standard errors, float64 ``(n_rows, n_features)``; errors are those of
        sampling, 0 where nothing was sampled
    base_value : what is predicted when nothing is known of a row, on the scale of the scores, float64 ``(n_rows,)``
    score : of each row, float64 ``(n_rows,)``
    output : what the score is of, for each row: ``"log-odds of 'yes'"``
    prediction, said : classes or numbers as the model predicts them; the same in words
    defect : what base value and contributions miss of the score, in parts of its range, float64 ``(n_rows,)``
    held : where the prediction is held at the smallest or largest target of the training: the score is that before
    method : how contributions were found
    of_number : whether the score is the number that is predicted, but for where it is held
    terms, term_matrix : where the model is a sum, names of its terms, and what they add, ``(n_rows, n_terms)``
    mistrust : what of explanations of this model should not be relied on, and why, in sentences; empty where nothing
        speaks against them
    notices : what was made of the rows
    """

    features: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    matrix: FloatArray
    errors: FloatArray
    base_value: FloatArray
    score: FloatArray
    output: tuple[str, ...]
    prediction: NDArray[Any]
    said: tuple[str, ...]
    defect: FloatArray
    held: NDArray[np.bool_]
    method: Method
    of_number: bool = False
    terms: tuple[str, ...] = ()
    term_matrix: FloatArray | None = None
    mistrust: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.score)

    @property
    def contributions(self) -> dict[str, FloatArray]:
        """By feature, float64 ``(n_rows,)`` each."""
        return dict(zip(self.features, self.matrix.T, strict=True))

    @property
    def standard_errors(self) -> dict[str, FloatArray]:
        """Of `contributions`."""
        return dict(zip(self.features, self.errors.T, strict=True))

    @property
    def adds_up(self) -> bool:
        """Whether base value and contributions are the score of every row, within `TOLERANCE` of the range."""
        return bool((self.defect <= TOLERANCE).all())

    @property
    def faithful(self) -> str:
        """In words: whether contributions may be believed."""
        found = METHODS[self.method]
        if self.method == "exact" and self.errors.any():
            found += " What a term adds of which several columns are part is divided among these by Shapley values."
        missed = float(self.defect.max(initial=0.0))
        within = "" if missed < ROUNDING else f" within {tiny(missed)} of its range"
        found += f" With the base value they add up to the score{within}"
        found += "." if self.adds_up else ", which is too far off: do not rely on this."
        if self.errors.any():
            found += f" Standard errors of sampling are at most {number(float(self.errors.max()), 2)}."
        return " ".join([found, *self.mistrust])

    def sentences(self, row: int | None = None) -> tuple[str, ...]:
        """What there is to say of one row, or of all one after another, and whether it may be believed."""
        rows = range(len(self)) if row is None else [self._row(row)]
        return (*(self._sentence(one) for one in rows), self.faithful)

    def _sentence(self, row: int) -> str:
        order = np.argsort(-np.abs(self.matrix[row]), kind="stable")
        least = 0.02 * np.abs(self.matrix[row]).max(initial=0.0)
        up = [j for j in order if self.matrix[row, j] > least][:MOST_NAMED]
        down = [j for j in order if self.matrix[row, j] < -least][:MOST_NAMED]
        parts = [f"Predicted: {self.said[row]}"]
        if self.held[row] or not self.of_number:
            parts[0] += f". The {self.output[row]} is {_signed(self.score[row], False)}"
        parts[0] += f", against {_signed(self.base_value[row], False)} when nothing is known."
        for verb, chosen in (("Raised", up), ("Lowered", down)):
            if chosen:
                parts.append(f"{verb} most by {listed([self._named(row, j) for j in chosen])}.")
        if not up and not down:
            parts.append("No feature changes it.")
        if self.held[row]:
            parts.append("The prediction is held within what the training knows; the score is that before.")
        return " ".join(parts)

    def _named(self, row: int, j: int) -> str:
        return f"{shorten(self.features[j], 40)} = {shorten(self.values[row][j])} ({_signed(self.matrix[row, j])})"

    def _row(self, row: int) -> int:
        if not -len(self) <= row < len(self):
            raise RequestError(f"There is no row {row}: {len(self)} are explained, the first is row 0.")
        return row % len(self)

    def chart(self, row: int = 0, title: str = "") -> Waterfall:
        """The data of `plot`."""
        row = self._row(row)
        values = zip(self.features, self.values[row], self.matrix[row], self.errors[row], strict=True)
        steps = tuple(Step(f"{name} = {value}", float(gain), float(error)) for name, value, gain, error in values)
        title = title or f"Contributions to the {self.output[row]}"
        return Waterfall(f"why-{row}", title, self._sentence(row), self.output[row], float(self.base_value[row]), steps)

    def plot(self, row: int = 0, width: float = 640) -> Drawn:
        """From the base value to the score of one row, feature by feature: an SVG drawing, shown by notebooks."""
        chart = self.chart(row)
        return Drawn(alone(waterfall(chart, width), chart.key, chart.title, chart.caption))

    def _repr_html_(self) -> str:
        """For notebooks."""
        shown = range(min(len(self), MOST_ROWS_SHOWN))
        rows = "".join(f"<p>{escape(self._sentence(row))}</p>{self.plot(row)._repr_svg_()}" for row in shown)
        more = f"<p>{len(self) - len(shown)} more rows.</p>" if len(self) > len(shown) else ""
        return f"<div>{rows}{more}<p>{escape(self.faithful)}</p></div>"

    def to_columns(self) -> dict[str, Any]:
        """As columns of a table, one row each: what is predicted, what of it is explained, and contributions."""
        return {
            "prediction": self.prediction.tolist(),
            "explained": list(self.output),
            "score": self.score.tolist(),
            "base_value": self.base_value.tolist(),
            **{f"contribution_{name}": values.tolist() for name, values in self.contributions.items()},
        }

    def to_frame(self, backend: str | None = None) -> Any:
        """`to_columns` as a data frame of ``"pandas"`` or ``"polars"``; default: whichever is installed.

        Raises
        ------
        MachineError
            When there is none.
        """
        import narwhals

        for name in [backend] if backend else ["pandas", "polars", "pyarrow"]:
            try:
                return narwhals.from_dict(self.to_columns(), backend=name).to_native()  # type: ignore[arg-type]
            except ImportError:
                continue
        raise MachineError(f"Data frames need {backend or 'pandas or polars'}: install it, or use to_columns().")

    def to_json(self) -> dict[str, Any]:
        """JSON-able: one entry for each row, and whether it may be believed."""
        rows = [
            {
                "prediction": prediction,
                "said": self.said[row],
                "explained": self.output[row],
                "score": float(self.score[row]),
                "base_value": float(self.base_value[row]),
                "held": bool(self.held[row]),
                "defect": float(self.defect[row]),
                "contributions": dict(zip(self.features, self.matrix[row].tolist(), strict=True)),
                "standard_errors": dict(zip(self.features, self.errors[row].tolist(), strict=True)),
                "values": dict(zip(self.features, self.values[row], strict=True)),
                "sentence": self._sentence(row),
            }
            for row, prediction in enumerate(self.prediction.tolist())
        ]
        if self.term_matrix is not None:
            for row, adds in zip(rows, self.term_matrix.tolist(), strict=True):
                row["terms"] = [[name, add] for name, add in zip(self.terms, adds, strict=True)]
        return {
            "method": self.method,
            "faithful": self.faithful,
            "adds_up": self.adds_up,
            "mistrust": list(self.mistrust),
            "notices": list(self.notices),
            "rows": rows,
        }


@dataclass(frozen=True)
class Drawn:
    """A drawing; ``svg`` is the file's text."""

    svg: str

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return self.svg


def shown_values(features: Sequence[str], row: dict[str, Any]) -> tuple[str, ...]:
    """The values of one raw row as people read them."""
    return tuple(_shown(row[name]) for name in features)


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, datetime):
        day = value if value.tzinfo is None else value.astimezone(UTC)
        return f"{day:%Y-%m-%d}" if (day.hour, day.minute, day.second) == (0, 0, 0) else f"{day:%Y-%m-%d %H:%M}"
    return number(value) if isinstance(value, float) else str(value)


def _signed(value: float, plus: bool = True) -> str:
    return minus(("+" if plus and value > 0 else "") + number(float(value), 3))
