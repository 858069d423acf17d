"""What would have to be otherwise for a saved model to say something else, in words."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.attribution.counterfactual import Changeable, Goal, Value, smallest_change
from annvil.attribution.shapley import Feeds
from annvil.bundle.explaining import Arrays, SavedModel, explanation_of
from annvil.bundle.explanation import Explanation, Feature
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed, shorten
from annvil.text.quantities import number, probability

_BOUND = re.compile(r"\s*(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")
_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}

DAY = 86_400.0


@dataclass(frozen=True)
class Counterfactual:
    """A row that is like the one given, of which the model says what is wanted.

    Attributes
    ----------
    changes : features with the values they have and those they would have
    reached : whether the model says what is wanted of it; it was asked. If not, it is the nearest that was found
    plausible : whether it is no more unlike the rows of the training than they are
    before, after, wanted : what the model says of the row, of the changed one, and what it should say, in words
    """

    changes: dict[str, tuple[Any, Any]]
    reached: bool
    plausible: bool
    before: str
    after: str
    wanted: str

    def sentences(self) -> tuple[str, ...]:
        """What there is to say."""
        named = [
            f"{shorten(name, 40)} were {_plain(new)} instead of {_plain(old)}"
            for name, (old, new) in self.changes.items()
        ]
        if self.reached and not self.changes:
            return (f"It is {self.after} already, as wanted ({self.wanted}).",)
        if not self.reached:
            nearest = f" The nearest is {self.after}, if {listed(named, len(named))}."
            nearest = nearest if named else f" Nothing that was tried comes nearer to it than {self.before}."
            none = f"No change of these columns within what the training knows was found that makes it {self.wanted}."
            return (none + nearest,)
        said = f"It would be {self.after} rather than {self.before} if {listed(named, len(named))}."
        odd = "" if self.plausible else " Few rows of the training are like that, so do not rely on this."
        return (said + odd,)

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "changes": {name: list(map(_json, both)) for name, both in self.changes.items()},
            "reached": self.reached,
            "plausible": self.plausible,
            "before": self.before,
            "after": self.after,
            "wanted": self.wanted,
            "sentences": list(self.sentences()),
        }


def counterfactual(predictor: SavedModel, row: Any, wanted: Any, change: Sequence[str] | str) -> Counterfactual:
    """See `annvil.bundle.predictor.Predictor.counterfactual`."""
    stored = explanation_of(predictor)
    allowed = _allowed(stored, [change] if isinstance(change, str) else change)
    inputs = predictor.conform(row, where="the row to change").inputs
    if inputs.n_rows != 1:
        raise DataError(f"One row is changed at a time; got {inputs.n_rows:,} rows.")
    feeds = inputs.feeds()
    before = predictor.raw(inputs)
    goal, words = _goal(predictor, wanted, before)
    if goal(feeds)[0][0]:
        return Counterfactual({}, True, True, _said(predictor, before), _said(predictor, before), words)
    features = [_changeable(feature) for feature in stored.features]
    points = stored.feeds(predictor.form)
    found = smallest_change(feeds, goal, features, allowed, points)
    changed = {name: array.copy() for name, array in feeds.items()}
    for j, value in found.change.items():
        changed[features[j].input][0, features[j].place] = value
    after = predictor.raw(Arrays(changed))
    changes = {
        stored.names[j]: (_told(features[j].value_in(feeds), stored.features[j]), _told(value, stored.features[j]))
        for j, value in sorted(found.change.items())
    }
    reached, was, now = bool(goal(changed)[0][0]), _said(predictor, before), _said(predictor, after)
    changes = changes if reached or was != now else {}  # a step that nobody would see is none
    return Counterfactual(changes, reached, found.plausible, was, now, words)


def _allowed(stored: Explanation, change: Sequence[str]) -> list[int]:
    if not change:
        raise RequestError("Name at least one column that may be changed.")
    names = stored.names
    for name in change:
        if name not in names:
            raise RequestError(
                f"The model uses no column {name!r} that could be changed.{did_you_mean(name, names)} It uses "
                f"{listed([repr(one) for one in names], 8)}."
            )
    return [names.index(name) for name in dict.fromkeys(change)]


def _goal(predictor: SavedModel, wanted: Any, before: FloatArray) -> tuple[Goal, str]:
    """Whether outputs are as wanted and how near, and what is wanted in words."""
    task, threshold = predictor.task, predictor.manifest.info.threshold
    if not task.predicts_probabilities:
        bound = _BOUND.fullmatch(str(wanted)) if wanted is not None else None
        if bound is None:
            raise RequestError(
                f"The model predicts the number {task.target!r}: say what is wanted as a bound, such as '>= 30'; got "
                f"{wanted!r}."
            )
        sign, limit = bound[1], float(bound[2])
        direction = 1.0 if sign.startswith(">") else -1.0

        def reaches(feeds: Feeds) -> tuple[NDArray[np.bool_], FloatArray]:
            outputs = predictor.raw(Arrays(feeds))[:, 0]
            return np.asarray(_COMPARE[sign](outputs, limit)), direction * (outputs - limit)

        return reaches, f"{task.target} {sign} {number(limit)}"
    label = _other(predictor, before) if wanted is None else task.output_named(str(wanted))

    def says(feeds: Feeds) -> tuple[NDArray[np.bool_], FloatArray]:
        outputs = predictor.raw(Arrays(feeds))
        decided = np.array([task.foremost(one, threshold) for one in outputs])
        return decided == label, task.log_odds(outputs, label, 1e-12)

    return says, repr(task.output_names[label])


def _other(predictor: SavedModel, before: FloatArray) -> int:
    """The other of two classes."""
    task = predictor.task
    if task.n_outputs != 2:
        raise RequestError(f"Say which class is wanted: {listed([repr(one) for one in task.output_names], 8)}.")
    return 1 - task.foremost(before[0], predictor.manifest.info.threshold)


def _said(predictor: SavedModel, outputs: FloatArray) -> str:
    task = predictor.task
    if not task.predicts_probabilities:
        return f"{number(float(outputs[0, 0]))}"
    one = task.foremost(outputs[0], predictor.manifest.info.threshold)
    return f"{task.output_names[one]!r} ({probability(float(outputs[0, one]))})"


def _changeable(feature: Feature) -> Changeable:
    unit = DAY if feature.kind == "datetime" else float(feature.whole)
    levels = feature.levels if feature.kind in ("category", "boolean") else None
    return Changeable(feature.input, feature.place, feature.low, feature.high, feature.spread, unit, levels)


def _told(value: Value, feature: Feature) -> Any:
    """As a user would write it: None where missing, dates as such, whole numbers whole."""
    if isinstance(value, str):
        return value or None
    if value != value:
        return None
    if feature.kind == "datetime":
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None)
    return int(value) if feature.whole and value == int(value) else float(value)


def _plain(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    return repr(shorten(value)) if isinstance(value, str) else _digits(value)


def _digits(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else number(value, 6)


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
