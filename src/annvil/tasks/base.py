"""What is asked of the data, and all that differs by it: one class for each kind of question.

The rooms above ask a task, never what kind it is: how its answers are scored, learnt, corrected, decided and told.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.errors import RequestError, did_you_mean
from annvil.tasks.calibration import Scaling
from annvil.tasks.link import Link
from annvil.tasks.metric_index import METRICS
from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Certainty, Decision, Examples, FloatArray, IntArray, Label, Targets

__all__ = ["Decision", "FloatArray", "IntArray", "Label", "Targets", "Task"]


class Task(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """A question to a target. The tasks there are derive from it; `annvil.tasks.union` has them all.

    Attributes
    ----------
    target : name of the target column
    classes : the labels in the order of the columns of predicted probabilities, as the user wrote them; empty where
        numbers are predicted. Of two classes ``classes[1]`` is the positive one
    reason : one sentence on why this kind was chosen
    """

    target: str
    classes: tuple[Label, ...] = ()
    reason: str = ""

    kind: ClassVar[str]
    """Its name in files."""

    answers: ClassVar[str]
    """What is predicted, in the plural: "classes"."""

    n_classes: ClassVar[range] = range(2, sys.maxsize)
    """How many classes there may be."""

    predicts_probabilities: ClassVar[bool] = True
    """Whether outputs are probabilities; they are numbers in the target's unit otherwise."""

    averages: ClassVar[bool] = True
    """Whether outputs of several models can be averaged; those of a decoder are codes of words."""

    one_class_a_row: ClassVar[bool] = False
    """Whether ``y`` is int64 codes ``(n_rows,)``: exactly one of the classes is right."""

    dealing: ClassVar[str] = "random, classes in proportion"
    """How rows without order or groups are dealt to folds, in words."""

    @property
    def n_outputs(self) -> int:
        """Columns of a prediction."""
        return len(self.output_names)

    @property
    def output_names(self) -> tuple[str, ...]:
        """What each column of a prediction is about."""
        return tuple(map(str, self.classes))

    def check(self) -> str | None:
        """Why a task read from a file contradicts itself, or None."""
        n = len(self.classes)
        return None if n in self.n_classes else f"a {self.kind} task cannot have {n} classes"

    def check_decision(self, decision: Decision) -> str | None:
        """Why a decision read from a file is not one of this task, or None."""
        if decision is None:
            return None
        several = isinstance(decision, tuple)
        return "only several labels have thresholds, one each" if several else "only a binary task has a threshold"

    def to_json(self) -> dict[str, Any]:
        """The task as JSON-able values; `annvil.tasks.union.task_from_json` reads them."""
        return {"kind": self.kind, "target": self.target, "classes": list(self.classes), "reason": self.reason}

    # -- scoring -------------------------------------------------------------------------------------------------------

    metrics: ClassVar[tuple[Metric, ...]]
    """What scores it; the first is the default."""

    def metric(self, name: str | None = None) -> Metric:
        """The metric of that name, the default one for None; hyphens, spaces and capitals do not matter.

        Raises
        ------
        RequestError
            When there is none of that name, or it is not defined for this task.
        """
        if name is None:
            return self.metrics[0]
        known = {metric.name: metric for metric in self.metrics}
        key = name.strip().lower().replace("-", "_").replace(" ", "_")
        if key in known:
            return known[key]
        choose = f"hoose from {', '.join(known)}."
        if key not in METRICS:
            raise RequestError(f"No metric is called {name!r}.{did_you_mean(key, known)} C{choose}")
        raise RequestError(f"{METRICS[key].title} does not score {self.answers}; for this task c{choose}")

    def scores(self, y: Targets | NDArray[Any], outputs: FloatArray, decision: Decision = None) -> dict[str, float]:
        """Every metric by name; all finite."""
        return {metric.name: metric.score(y, outputs, decision) for metric in self.metrics}

    def row_losses(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """A proper loss of each row ``(n_rows,)``, by which candidates of one contender are compared."""
        raise NotImplementedError

    # -- deciding ------------------------------------------------------------------------------------------------------

    def choose(self, metric: Metric, y: NDArray[Any], outputs: FloatArray) -> Decision:
        """The decision that serves ``metric`` best on these (out-of-fold) rows; None where there is none to choose."""
        return None

    def decide(self, outputs: FloatArray, decision: Decision = None) -> NDArray[Any]:
        """What is said, in the form of ``y``."""
        raise NotImplementedError

    def said(self, outputs: FloatArray, decision: Decision = None) -> NDArray[Any]:
        """The same as `decide`, as the user writes it: classes by their labels."""
        return self.decide(outputs, decision)

    def columns(self, outputs: FloatArray, decision: Decision = None) -> list[tuple[str, list[Any]]]:
        """Predictions as columns of a table with their names: what is said, then a probability of each class or label.

        Names may repeat, since classes may: 1 and "1".
        """
        return [(f"predicted_{self.target}", self.said(outputs, decision).tolist())]

    # -- telling -------------------------------------------------------------------------------------------------------

    errors: ClassVar[tuple[str, ...]]
    """What shows how a model errs, by the report's names: "confusion", "reliability", "residuals", "rates" …"""

    right_words: ClassVar[str] = "accuracy"
    """What the share of rows that are `right` is called."""

    def counts(self, y: NDArray[Any]) -> IntArray:
        """Rows with each class or label ``(n_classes,)``; empty where there are none."""
        return np.empty(0, dtype=np.int64)

    def describe(self, y: NDArray[Any]) -> str:
        """What there is to answer, such as "2 classes: yes (400), no (100)"."""
        raise NotImplementedError

    def answer(self, y: Any) -> str:
        """The truth about one row, for people."""
        raise NotImplementedError

    def written(self, y: NDArray[Any]) -> list[tuple[str, ...]]:
        """The truth about each row as cells of a table, one for each of the `questions`; reading them gives ``y``."""
        return [(text,) for text in map(self.answer, y)]

    def right(self, y: NDArray[Any], outputs: FloatArray, decision: Decision = None) -> NDArray[np.bool_] | None:
        """Which rows are answered rightly; None where being near is all that can be asked."""
        return None

    def error_sentence(self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, how: str) -> str:
        """How far predictions of held-out rows are off, or nothing; ``rows`` counts them, ``how`` says their origin."""
        return ""

    def certainty(self, y: NDArray[Any], outputs: FloatArray) -> Certainty:
        """What a reliability diagram is drawn from, for tasks that have one."""
        raise NotImplementedError

    share_right: ClassVar[str] = "accuracy"
    """What one minus the mean of `shares_wrong` is called."""

    def shares_wrong(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """How wrong each row is ``(n_rows,)``, nothing chosen: 0 or 1, a share, or of the variance."""
        raise NotImplementedError

    def foremost(self, outputs: FloatArray, decision: Decision = None) -> int:
        """Of the outputs for one row ``(n_outputs,)``, which one is explained unless asked otherwise."""
        return 0

    def output_named(self, label: str) -> int:
        """The output of a class.

        Raises
        ------
        RequestError
            When there is none of that name.
        """
        names = [str(one) for one in self.classes]
        if label in names:
            return names.index(label)
        if not names:
            raise RequestError(f"The model predicts the number {self.target!r} and has no classes: leave it out.")
        known = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        raise RequestError(f"The model knows no class {label!r}.{did_you_mean(label, names)} Its classes: {known}.")

    def log_odds(self, outputs: FloatArray, output: int, smallest: float) -> FloatArray:
        """An output without a ceiling ``(n_rows,)``: log-odds of a probability no nearer to 0 than ``smallest``."""
        return outputs[:, output]

    def examples(
        self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, most_mistakes: int, most: int
    ) -> Examples:
        """Rows to look at, the gravest errors first; ``rows`` says how many there are and which."""
        raise NotImplementedError

    # -- learning ------------------------------------------------------------------------------------------------------

    link: ClassVar[Link]
    """From scores to outputs, and the loss that belongs to it."""

    def strata(self, y: NDArray[Any]) -> IntArray:
        """A stratum of each row, int64 from 0, that folds hold in equal shares."""
        raise NotImplementedError

    def indicators(self, y: NDArray[Any]) -> FloatArray:
        """Outputs of whoever knows the truth ``(n_rows, n_outputs)``: 0 and 1 for classes and labels, or values."""
        raise NotImplementedError

    constant_words: ClassVar[str]
    """What `constant` is, in words."""

    def constant(self, y: NDArray[Any]) -> FloatArray:
        """The best outputs for a row of which nothing is known ``(n_outputs,)``; no probability is 0 or 1."""
        raise NotImplementedError

    def scale(self, y: NDArray[Any]) -> float:
        """What differences between outputs are measured in: 1 for probabilities, the target's spread for numbers."""
        return 1.0

    @property
    def n_questions(self) -> int:
        """How many `questions` there are."""
        return 1

    def questions(self, y: NDArray[Any]) -> Sequence[tuple[Task, NDArray[Any]]]:
        """The task and its answers, or where one row has several answers, one yes-or-no question for each output."""
        return ((self, y),)

    def calibrate(self, y: NDArray[Any], out_of_fold: FloatArray, *, class_weighted: bool = False) -> Scaling | None:
        """The correction that out-of-fold outputs ask for, or None; see `annvil.tasks.calibration`.

        ``class_weighted``: whether the fit weighted its classes, so that a bias per class is to be expected.
        """
        return None

    def replace(self, **changes: Any) -> Self:
        """The same task with some attributes changed."""
        return msgspec.structs.replace(self, **changes)
