"""What boosted trees are once they are grown: scores of a forest, linked, with the preparation of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.table import Table
from annvil.models.members import BaseMember
from annvil.models.sklearn_private import raw_scores, rounds_of
from annvil.models.trees_onnx import forest_of, write_forest
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TreePreparation
from annvil.tasks.base import FloatArray, IntArray, Task
from annvil.tasks.link import Link


@dataclass(frozen=True)
class TreesMember(BaseMember):
    """One boosted model with its preparation.

    Attributes
    ----------
    model : the fitted scikit-learn estimator, or None where the training rows held one class only
    columns : for each raw score of the model, the output column it stands for
    base : float64 ``(n_outputs,)``: scores where no tree adds anything
    """

    preparation: TreePreparation
    model: Any | None
    columns: tuple[int, ...]
    base: FloatArray
    link: Link

    def predict(self, inputs: Table) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)`` or values ``(n_rows, 1)``."""
        return self.outputs(self.preparation.transform(inputs).numbers)

    def outputs(self, features: NDArray[np.float32]) -> FloatArray:
        """The same from prepared columns."""
        scores = np.tile(self.base, (len(features), 1))
        if self.model is not None and len(features):
            scores[:, self.columns] = raw_scores(self.model, features)
        return self.link.apply(scores)

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """One ensemble node; base scores and softmax in float64."""
        features, _ = self.preparation.write(graph, numbers, texts)
        base = self.base[None, :]
        if self.model is None:
            none = graph.op("ReduceSum", features, graph.constant([1], "int64"), keepdims=1)
            zero = graph.op("Mul", graph.cast(graph.op("IsNaN", none), "float64"), graph.constant(0.0))
            scores = graph.op("Add", zero, graph.constant(base))
        else:
            forest = forest_of(rounds_of(self.model), self.columns)
            grown = graph.cast(write_forest(graph, features, forest, len(self.base)), "float64")
            scores = graph.op("Add", grown, graph.constant(base))
        return self.link.write(graph, scores)

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to columns."""
        return tuple(self.preparation.describe())

    @property
    def n_parameters(self) -> int:
        """A column and a threshold for each inner node, a value for each leaf."""
        return len(self.base) if self.model is None else forest_of(rounds_of(self.model), self.columns).n_parameters

    @property
    def rounds(self) -> tuple[int, ...]:
        """How long it grew."""
        return (0 if self.model is None else self.model.n_iter_,)


@dataclass(frozen=True)
class LabelTreesMember(BaseMember):
    """A boosted model with two classes, there and not there, for each label; all see the same prepared columns."""

    preparation: TreePreparation
    labels: tuple[TreesMember, ...]

    def predict(self, inputs: Table) -> FloatArray:
        """A probability for each label ``(n_rows, n_labels)``."""
        return self.outputs(self.preparation.transform(inputs).numbers)

    def outputs(self, features: NDArray[np.float32]) -> FloatArray:
        """The same from prepared columns."""
        return np.stack([label.outputs(features)[:, 1] for label in self.labels], axis=1)

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """An ensemble node for each label."""
        return graph.concat([graph.columns(label.write(graph, numbers, texts), [1]) for label in self.labels])

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to columns."""
        return tuple(self.preparation.describe())

    @property
    def n_parameters(self) -> int:
        """Those of all labels."""
        return sum(label.n_parameters for label in self.labels)

    @property
    def rounds(self) -> tuple[int, ...]:
        """How long each label's model grew."""
        return tuple(rounds for label in self.labels for rounds in label.rounds)


def base_scores(task: Task, present: IntArray, n_rows: int, baseline: FloatArray) -> FloatArray:
    """Scores before any tree; classes without a training row get a probability of about one in ``n_rows``."""
    known = np.array([0.0, baseline[0]]) if len(present) == 2 else baseline
    base = np.full(task.n_outputs, known.max() - np.log(n_rows + 1.0))
    base[present] = known
    return base
