"""What a contender is given: jobs, and how hard to try at them, for how long, with what around it.

All of it is data and can be pickled, so that a fit can be made in another process or on another machine: a `Context`
holds a duration, and becomes a deadline only where the fit is made (`Context.begin`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from annvil.data.form import Form
from annvil.data.splits import Split
from annvil.models.networks.searches import Searches
from annvil.tasks.base import FloatArray, IntArray, Task

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
