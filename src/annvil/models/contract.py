"""The one contract of all contenders: what they are given, what they return.

A contender is one file and one line in its kind's `contenders`. The comparison gives it *jobs* (training rows with
inner validation splits) and an *effort* (how many candidates it may try), and receives one `Fitted` per job. A `Fitted`
is a bag of members (usually one per inner split) whose outputs are averaged and calibrated; every member can write
itself into an ONNX graph.

What goes in (`Job`, `Effort`, `Context`) and what comes out (`Fitted`) is data and can be pickled, so that a fit can be
made in another process or on another machine: a context holds a duration, and becomes a deadline only where the fit is
made (`Context.begin`); whether that deadline cut anything is part of the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.form import Form
from annvil.data.splits import Split as Split  # part of the contract
from annvil.models.gradients import ExplainedScore, Gradients
from annvil.models.networks.searches import Searches
from annvil.models.stepping import Stepper, averaged
from annvil.models.terms import Additive, Rule
from annvil.onnx.builder import Graph, Value
from annvil.tasks import calibration, link
from annvil.tasks.base import FloatArray, IntArray, Task

Family = Literal["dummy", "linear", "trees", "neighbours", "network", "team"]
FAMILIES: tuple[Family, ...] = ("dummy", "linear", "trees", "neighbours", "network", "team")
"""The simpler first: contenders run in this order, so that there is an answer early, and of equals the first ships.

A team is made of the others (`annvil.models.team`)."""
Json = Any


@dataclass(frozen=True)
class Job:
    """One fit asked of a contender.

    Attributes
    ----------
    key : stable name, such as ``"repeat-0-fold-3"``, ``"final"`` or ``"curve-0-3-n512"``
    rows : training rows (into the data set); nothing else may be looked at
    inner : validation splits inside ``rows``, which choose candidate, epoch and calibration: several folds that
        together cover ``rows``, or one holdout
    seed : for everything random
    weights : how much each of ``rows`` counts, float64 above 0, or None where all count the same. Contenders that
        say so (`Traits.weighs_rows`) look at them, in training and where their best epoch is chosen.
    """

    key: str
    rows: IntArray
    inner: tuple[Split, ...]
    seed: int
    weights: FloatArray | None = None


@dataclass(frozen=True)
class PreparationOptions:
    """How to prepare, for the measured ablation; the defaults are what Annvil recommends.

    ``scaling``: "robust" (or what the contender does by default) or "none" (numbers go in as they are, missing ones
    filled). ``imbalance``: "auto" (class weights among the candidates when classes are unequal) or "none".
    """

    scaling: Literal["robust", "none"] = "robust"
    imbalance: Literal["auto", "none"] = "auto"


@dataclass(frozen=True)
class Effort:
    """How hard a contender tries in one fit.

    candidates : configurations to compare on the inner splits (1: the default one)
    scale : multiplies the length of training (epochs of networks, rounds of trees); 1.0 is the recipe's own
    configuration : use this one instead of searching (learning curves and final fits pass a `Fitted.configuration`)
    options : how to prepare; only the ablation asks for other than the default
    rung : its place on the contender's ladder (`Contender.ladder`); results of different rungs are kept apart
    inner_folds : validation splits of the jobs it is made for; 1 is one holdout of 20%
    rows : most training rows of those jobs; None: all there are
    """

    candidates: int = 1
    scale: float = 1.0
    configuration: Mapping[str, Json] | None = None
    options: PreparationOptions = PreparationOptions()
    rung: int = 0
    inner_folds: int = 1
    rows: int | None = None


@dataclass(frozen=True)
class Rung:
    """One effort of a contender's ladder, and what it is expected to cost before anything was measured.

    core_seconds : of one job, on the slow side (constants measured once on a 2-core machine)
    what : in words, for the log of decisions: "4 candidates, 5 inner folds"
    """

    effort: Effort
    core_seconds: float
    what: str = ""


@dataclass(frozen=True)
class Shape:
    """Sizes a contender plans with."""

    n_rows: int
    n_numbers: int
    n_texts: int
    n_levels: int  # categories in all text columns together
    task: Task
    form: Form | None = None  # of raw input; None where features were made of it

    @property
    def n_outputs(self) -> int:
        """Columns of a prediction."""
        return self.task.n_outputs


class Deadline:
    """A moment on the monotonic clock; contenders ask between steps and return the best so far when it has passed."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, negative once passed."""
        return self.at - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether the moment is over."""
        return self.left <= 0


def tell_nobody(message: str) -> None:
    """Who is told where nobody wants to know."""


@dataclass(frozen=True)
class Context:
    """What surrounds a fit, as data.

    Attributes
    ----------
    seconds_left : how long the fit may take, counted from where it begins (`begin`)
    folder : for checkpoints; None: none are written
    tell : told of progress; a function of a module where the context is to be pickled
    threads : 0: chosen by the contender
    searches : networks that several contenders look at; owned by the race, and left behind where a context travels
    """

    seconds_left: float = float("inf")
    folder: Path | None = None
    tell: Callable[[str], None] = tell_nobody
    threads: int = 0
    searches: Searches = field(default_factory=Searches, compare=False)

    def begin(self) -> Running:
        """The context at work: from here on the time runs."""
        return Running(Deadline(self.seconds_left), self.folder, self.tell, self.threads)


@dataclass
class Running:
    """A `Context` at work, in the process that fits.

    ``cut_short`` is set by whoever stops because the deadline has passed; it goes into `Fitted.cut_short`.
    """

    deadline: Deadline
    folder: Path | None
    tell: Callable[[str], None]
    threads: int
    cut_short: bool = False

    def is_over(self) -> bool:
        """Whether the deadline has passed; if so, whoever asks stops because of it, and that is noted."""
        self.cut_short |= self.deadline.passed
        return self.cut_short


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


@dataclass(frozen=True)
class Traits:
    """What a contender can do beside what all can; declared, so that nobody has to look for a method.

    Attributes
    ----------
    shares_fits_with : the contender whose fits this one only looks at again (an ensemble of its candidates); its time
        is then not charged twice
    climbs_to_ship : longer training of more rows only makes it better, so the fit to ship may stand higher on the
        ladder than what the folds scored, where there is time
    trains_together : the jobs of a call are one population, on whose size last bits may hang: they are made all or none
    bags : members of the inner folds are averaged, so that more of them make a better model
    weighs_rows : whether its fits look at `Job.weights`
    scales, weights_classes : whether it has that step of preparation, so that the ablation can take it away
    central : its side cannot lose before this one had its first training, and time for that is kept while others are
        tried: what people mean when they ask about that side on data of the kind
    explainable : a person can read its models: they are sums of few terms (`Member.additive`) or a few rules
    in_bfloat16 : the seconds of its ladder are those of a machine with units for products in bfloat16
    library : what takes seconds to import and its fits need, loaded before its first and charged to nobody; "": nothing
        (networks need PyTorch)
    """

    shares_fits_with: str | None = None
    climbs_to_ship: bool = False
    trains_together: bool = False
    bags: bool = False
    weighs_rows: bool = False
    scales: bool = False
    weights_classes: bool = False
    central: bool = False
    explainable: bool = False
    in_bfloat16: bool = False
    library: str = "sklearn.ensemble"


class Contender(Protocol):
    """A way to learn; see the module's text. `BaseContender` has what most need not say."""

    name: str  # registry key, such as "boosted-trees"
    title: str  # for people, such as "Boosted trees"
    family: Family

    @property
    def traits(self) -> Traits:
        """What it can do beside what all can."""

    def declines(self, shape: Shape) -> str | None:
        """Why this contender does not compete on such data (a sentence for the report), or None."""

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """Growing efforts for jobs of that shape, the cheapest first; arithmetic only, no clock.

        The first is the least that is a fair trial of the method: nothing below it is ever judged. Costs grow by half
        at least from rung to rung, so that climbing costs little beside the top.
        """

    def fit(self, dataset: Dataset[Any], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """One `Fitted` per job, in order, as each is ready.

        Stops early (fewer results) when ``context.seconds_left`` are over; never raises for running out of time.
        """


class BaseContender:
    """A contender without special traits, which never declines."""

    traits = Traits()

    def declines(self, shape: Shape) -> str | None:
        """Never."""
        return None


def as_outputs(values: NDArray[Any]) -> FloatArray:
    """Predictions as float64 with two axes."""
    values = np.asarray(values, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values
