"""What is asked of the data: which column, and whether it is a class or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

TaskKind = Literal["binary", "multiclass", "regression", "multilabel"]
Label = str | int | float | bool

Threshold = float | tuple[float, ...] | None
"""From which probability on something is said: the positive one of two classes (a number), each of several labels (one
number each), or None: the likelier class, and labels that are likelier there than not."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """A question to a target column.

    Attributes
    ----------
    kind : "binary", "multiclass", "regression" or "multilabel" (any number of the classes is right at once)
    target : name of the target column
    classes : the labels in the order of the columns of predicted probabilities, as the user wrote them; empty for
        regression. For a binary task ``classes[1]`` is the positive class.
    reason : one sentence on why this kind was chosen
    """

    kind: TaskKind
    target: str
    classes: tuple[Label, ...] = ()
    reason: str = ""

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.kind != "regression"

    @property
    def several(self) -> bool:
        """Whether any number of the classes is right at once; ``y`` is then 0 and 1 ``(n_rows, n_classes)``."""
        return self.kind == "multilabel"

    @property
    def n_outputs(self) -> int:
        """Columns of a prediction: one per class, or 1 for regression."""
        return len(self.classes) if self.is_classification else 1

    def to_json(self) -> dict[str, Any]:
        """The task as JSON-able values."""
        return {"kind": self.kind, "target": self.target, "classes": list(self.classes), "reason": self.reason}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Task:
        """The task that `to_json` wrote."""
        return cls(values["kind"], values["target"], tuple(values["classes"]), values["reason"])
