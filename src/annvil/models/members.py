"""What a contender returns: one `Fitted` per job, a bag of members.

Members (usually one per inner split) are averaged and calibrated, and every member can write itself into an ONNX graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from annvil.models.gradients import ExplainedScore, Gradients
from annvil.models.jobs import Job, Json
from annvil.models.stepping import Stepper, averaged
from annvil.models.terms import Additive, Rule
from annvil.onnx.builder import Graph, Value
from annvil.tasks import calibration, link
from annvil.tasks.base import FloatArray, Task


@dataclass(frozen=True)
class Origin:
    """A trained network in parts that can be written: ``architecture`` (JSON-able) rebuilds it, ``weights`` fill it."""

    architecture: Mapping[str, Json]
    weights: Mapping[str, NDArray[Any]]


class Member(Protocol):
    """One trained model.

    A contender is written for one kind of inputs: its members take a `Table` and write themselves from ``numbers`` and
    ``texts``, or take inputs of another kind and write themselves from what their form enters
    (`annvil.data.form.Form.enter`).
    """

    def predict(self, inputs: Any, /) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)``, or values ``(n_rows, 1)`` for regression."""

    def write(self, graph: Graph, /, *raw: Any, **named: Any) -> Value:
        """Add the same output (float32 or float64, same shape) of the raw inputs ``raw`` to a graph; its name."""

    @property
    def n_parameters(self) -> int:
        """Learnt numbers: weights, or thresholds and leaf values of trees."""

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to raw values before the model sees them, in sentences."""

    def origin(self) -> Origin | None:
        """What a later training can start from, where there is such a thing."""

    def stepper(self) -> Stepper | None:
        """How it can be called step by step, where it can."""

    def additive(self) -> Additive | None:
        """The sum that it is, of scores ``(n_rows, n_outputs)`` before the link; None where it is none."""

    def rules(self) -> tuple[Rule, ...]:
        """The few rules that it is; none where it is anything else."""

    def gradients(self, score: ExplainedScore, inputs: Any, shares: FloatArray | None) -> Gradients | None:
        """How ``score`` changes from the mean point of ``inputs`` on (`Fitted.gradients`), where it has a gradient."""

    def shuffled(self, seed: int) -> Member | None:
        """The same with shuffled weights, of networks: a model of the same make that knows nothing."""


class BaseMember:
    """A member that prepares nothing, from which no training starts, which has no steps, is no sum, has no gradient."""

    def describe_preparation(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def origin(self) -> Origin | None:
        """Nothing."""
        return None

    def stepper(self) -> Stepper | None:
        """Nothing."""
        return None

    def additive(self) -> Additive | None:
        """Nothing."""
        return None

    def rules(self) -> tuple[Rule, ...]:
        """Nothing."""
        return ()

    def gradients(self, score: ExplainedScore, inputs: Any, shares: FloatArray | None) -> Gradients | None:
        """Nothing."""
        return None

    def shuffled(self, seed: int) -> Member | None:
        """Nothing."""
        return None


class Calibration(Protocol):
    """Corrects averaged outputs, fitted on out-of-fold predictions."""

    def apply(self, outputs: FloatArray) -> FloatArray: ...
    def write(self, graph: Graph, outputs: Value) -> Value: ...
    def on_scores(self) -> tuple[FloatArray, FloatArray]: ...
    def describe(self) -> str: ...


@dataclass
class Fitted:
    """What a contender learnt from one job.

    Attributes
    ----------
    contender : its registry name
    members : averaged (with ``weights`` when given)
    calibration : applied to the average, or None
    out_of_fold : float64 ``(len(job.rows), n_outputs)``: calibrated predictions for the training rows by members that
        had not seen them; NaN where no inner split tested a row
    configuration : JSON-able; passing it back through `Effort.configuration` repeats this fit without search
    summary : one line for people: what was chosen
    tried : one entry per candidate: its configuration in words and inner score (mean, spread); the losers too
    fit_seconds, core_seconds : wall clock and processor time this job took (jobs trained together share equally)
    history : training curves, ``{"train_loss": [...], "validation_loss": [...]}``, or empty
    cut_short : whether the deadline ended it before all that it would have tried was tried
    """

    contender: str
    job: Job
    task: Task
    members: tuple[Member, ...]
    calibration: Calibration | None
    out_of_fold: FloatArray
    configuration: Mapping[str, Json]
    summary: str
    tried: tuple[Mapping[str, Json], ...] = ()
    fit_seconds: float = 0.0
    core_seconds: float = 0.0
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    weights: FloatArray | None = None
    notes: tuple[str, ...] = ()
    cut_short: bool = False

    def predict(self, inputs: Any) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)`` or values ``(n_rows, 1)``, float64."""
        outputs = np.average([member.predict(inputs) for member in self.members], axis=0, weights=self.weights)
        return outputs if self.calibration is None else self.calibration.apply(outputs)

    def write(self, graph: Graph, *raw: Value) -> Value:
        """Add raw inputs → prediction to the graph, float64; returns the output's name."""
        weights = np.ones(len(self.members)) if self.weights is None else np.asarray(self.weights)
        weights = weights / weights.sum()
        parts = []
        for member, weight in zip(self.members, weights, strict=True):
            output = graph.cast(member.write(graph, *raw), "float64")
            parts.append(graph.op("Mul", output, graph.constant(weight)) if len(weights) > 1 else output)
        outputs = parts[0] if len(parts) == 1 else graph.op("Sum", *parts)
        return outputs if self.calibration is None else self.calibration.write(graph, outputs)

    @property
    def preparation(self) -> tuple[str, ...]:
        """What is done to raw values before the model sees them, in sentences; members of one bag do the same."""
        return self.members[0].describe_preparation()

    def origin(self) -> Origin | None:
        """What a later training can start from: the first member's network, where it offers one."""
        return self.members[0].origin()

    def stepper(self) -> Stepper | None:
        """How the model can be called step by step; None unless all members can."""
        weights = np.ones(len(self.members)) if self.weights is None else self.weights
        calibrate = None if self.calibration is None else self.calibration.write
        return averaged([member.stepper() for member in self.members], list(weights), calibrate)

    def additive(self) -> Additive | None:
        """The sum that the model is, of the scores that are explained (`annvil.tasks.link.Link.contrasts`).

        None where a member is none, and of several: an average of probabilities is no sum. (What averages its scores
        is one member.)
        """
        found = self.members[0].additive() if len(self.members) == 1 else None
        if found is None:
            return None
        return found.mapped(*self._explained())

    def gradients(self, inputs: Any, shares: FloatArray | None = None) -> Gradients | None:
        """How the scores that are explained change on the straight way to a row; None unless one network bag says all.

        The way begins at the mean point of ``inputs``, each row counting as much as ``shares`` say, float64
        ``(n_rows,)`` that add up to 1, or all alike.
        """
        if len(self.members) > 1:
            return None
        smallest = link.SMALLEST if self.calibration is None else calibration.SMALLEST
        score = ExplainedScore(self.task.link, *self._explained(), smallest)
        return self.members[0].gradients(score, inputs, shares)

    def shuffled(self, seed: int) -> Fitted | None:
        """The same with networks of shuffled weights; None where a member has no weights to shuffle."""
        members = [member.shuffled(seed) for member in self.members]
        known = tuple(member for member in members if member is not None)
        return replace(self, members=known) if len(known) == len(members) else None

    def _explained(self) -> tuple[FloatArray, FloatArray]:
        """What is explained of a member's scores: times the first ``(n_outputs, n_explained)``, plus the second."""
        scale, shift = np.ones(self.task.n_outputs), np.zeros(self.task.n_outputs)
        if self.calibration is not None:
            scale, shift = self.calibration.on_scores()
        contrasts = self.task.link.contrasts(self.task.n_outputs)
        return scale[:, None] * contrasts, shift @ contrasts

    def rules(self) -> tuple[Rule, ...]:
        """The few rules that the model is; none where it is anything else."""
        return self.members[0].rules() if len(self.members) == 1 and self.calibration is None else ()

    @property
    def n_parameters(self) -> int:
        """Learnt numbers of all members."""
        return sum(member.n_parameters for member in self.members)


def as_outputs(values: NDArray[Any]) -> FloatArray:
    """Predictions as float64 with two axes."""
    values = np.asarray(values, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values
