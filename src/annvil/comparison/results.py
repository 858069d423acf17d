"""What a comparison found: plain frozen records, the same for every kind of data.

The race fills them, the verdict reads them, the report and the CLI show them, and `run.json` holds them (written and
read by msgspec, which checks the types). Scores are kept as the metric defines them (an error stays an error); wherever
two sides are *compared*, differences are signed so that positive means the network is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from annvil.comparison.sides import (
    Contrast as Contrast,  # records of sides, which the rest takes from here
    Posterior as Posterior,
    Price as Price,
    Side as Side,
)
from annvil.models.contract import Family
from annvil.models.jobs import Json
from annvil.tasks.base import Decision

State = Literal["waiting", "running", "finished", "cut short", "skipped", "failed"]
VerdictKind = Literal["network", "simple", "equal", "no network", "cannot tell"]


def call_key(repeat: int) -> str:
    """All fits of a contender in one repeat."""
    return f"repeat-{repeat}"


def fold_key(repeat: int, fold: int) -> str:
    """One fit of the race: the key of its job and of its result."""
    return f"{call_key(repeat)}-fold-{fold}"


NO_SIDE = ("dummy", "team")
"""Families that stand for neither networks nor simple models."""

FEWEST_FOLDS = 3
"""Fewer scores have no spread that is worth showing."""

FIRST_FOLD = fold_key(0, 0)
"""The fit whose model is measured as it would be shipped."""


@dataclass(frozen=True)
class Design:
    """How a comparison is laid out: ``inner_folds`` of 1 mean one holdout."""

    folds: int
    repeats: int
    inner_folds: int
    seed: int


@dataclass(frozen=True)
class FoldResult:
    """One contender on one outer fold. Its predictions lie beside it in the run folder, by `job`."""

    contender: str
    job: str
    repeat: int
    fold: int
    n_train: int
    n_test: int
    scores: dict[str, float]  # every metric of the task, on the test rows
    inner_score: float  # the chosen metric on out-of-fold predictions inside the training rows
    configuration: dict[str, Json]
    summary: str
    tried: tuple[dict[str, Json], ...]
    fit_seconds: float
    core_seconds: float
    n_parameters: int
    history: dict[str, tuple[float, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    threshold: Decision = None  # of a binary decision or of each label, chosen on out-of-fold predictions
    overlap: float | None = None  # `Replicate.overlap`; None in runs that did not keep it: the part that is tested
    rung: int = 0  # `Effort.rung` of the fit
    without_part: tuple[float, ...] = ()  # `Scored.without_part`
    cut_short: bool = False  # by the clock: kept, but neither judged nor gone on from


@dataclass(frozen=True)
class Cost:
    """What a contender costs; measured on the model of the first outer fold as it would be shipped."""

    fit_seconds: float  # mean per outer fold, search included
    core_seconds: float  # processor time, mean per outer fold
    fits: int  # candidates tried per fold
    n_parameters: int
    size_bytes: int | None = None  # the ONNX graph
    latency_ms_p50: float | None = None  # one raw row, Python call included
    latency_ms_p95: float | None = None
    rows_per_second: float | None = None  # in batches of up to 1000 raw rows
    peak_memory_mb: float | None = None  # growth of resident memory while fitting


@dataclass(frozen=True)
class Standing:
    """One contender's place in the table."""

    contender: str
    title: str
    family: Family
    state: State
    reason: str  # why skipped, cut short or failed; empty otherwise
    per_fold: tuple[float, ...]  # the chosen metric, in fold order
    means: dict[str, float]  # every metric, mean over folds
    spreads: dict[str, float]  # every metric, standard deviation over folds
    summary: str  # what the search chose on the first fold
    cost: Cost | None
    parity: float | None = None  # largest |shipped - in memory| on held-out rows
    rung: int | None = None  # the highest complete one, which is judged; None while there is none
    rungs: tuple[str, ...] = ()  # its ladder, in words
    rung_means: tuple[float, ...] = ()  # the chosen metric on the first repeat, of every complete rung
    rung_seconds: tuple[float, ...] = ()  # of the run, until each was complete; fits of another that it uses included
    used_seconds: float = 0.0  # of the run, fits of all rungs together
    still_improves: bool = False  # more effort is expected to gain more than worth / 2
    members: dict[str, float] = field(default_factory=dict)  # of a team: contender → weight, the heaviest first
    explainable: bool = False  # `Traits.explainable`

    @property
    def told(self) -> str:
        """Its state for people, to whom a training that never began was not cut short."""
        return "no time left" if self.state == "cut short" and not self.used_seconds else self.state

    def spread(self, metric: str) -> float | None:
        """How far scores scatter over the folds, for people: None where these are too few to say it."""
        return self.spreads[metric] if len(self.per_fold) >= FEWEST_FOLDS else None


def competing(standings: Sequence[Standing]) -> list[Standing]:
    """Those that stand for themselves and were not left out."""
    return [s for s in standings if s.family not in NO_SIDE and s.state != "skipped"]


def only_explainable(standings: Sequence[Standing]) -> bool:
    """Whether nobody competes whose model a person cannot read, as where that was asked."""
    own = competing(standings)
    return bool(own) and all(s.explainable for s in own)


@dataclass(frozen=True)
class Anchor:
    """A learning curve at one training size."""

    n_train: int
    errors: tuple[float, ...]  # lower is better: 1 - score for scores, the error itself for errors
    mean: float
    spread: float


@dataclass(frozen=True)
class PowerLaw:
    """error(n) = a + b n^-c, with a bootstrap band for extrapolation (at most four times the largest anchor)."""

    a: float
    b: float
    c: float
    sizes: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]  # 5% of the bootstrap
    high: tuple[float, ...]  # 95%


@dataclass(frozen=True)
class LearningCurve:
    """How one contender's error (one minus a score) falls with training rows."""

    contender: str
    anchors: tuple[Anchor, ...]
    law: PowerLaw | None
    well_behaved: bool
    remark: str  # one sentence: what it says, or why it is not extrapolated
    why_not: str = ""  # why it is not extrapolated, as part of a sentence; empty where it is


@dataclass(frozen=True)
class Crossing:
    """Where the continued learning curves of both sides would meet, if anywhere beyond the rows at hand.

    Up to four times the largest size that was measured; the curves are the medians of the laws' bootstraps, which the
    chart draws.
    """

    network: str
    simple: str
    rows: float | None  # training rows where the curves meet; None: they do not meet within reach
    error: float | None  # the error of both there
    low: float | None  # 5% and 95% of the bootstrap; None: beyond reach
    high: float | None
    at_hand: int  # training rows of a fold
    reach: float  # the most training rows that anything is said of
    gap_now: float  # the network's advantage in error with the rows at hand; positive is better
    gap_later: float  # the same at `reach`
    gap_later_low: float
    gap_later_high: float


@dataclass(frozen=True)
class Ablation:
    """What one step of preparation changed, measured on the same folds with and without it."""

    what: str  # "scaling the numbers", "weighting the rare class"
    contender: str
    with_it: tuple[float, ...]
    without_it: tuple[float, ...]
    mean: float  # gain from the step, positive is better
    low: float
    high: float
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The answer.

    What a clock measured is told in ``costs`` alone, so that the rest of a run that does what another did, and that no
    clock cut, is the same.
    """

    kind: VerdictKind
    headline: str  # one or two short sentences
    sentences: tuple[str, ...]  # the reasons, in order
    recommended: str  # contender to ship
    recommended_because: str
    posterior: Posterior | None
    network_ruled_out: bool  # P(network better by more than worth) <= 5%, whatever the kind
    rows_that_would_tell: int | None
    base_rate: str
    network: Side | None = None
    simple: Side | None = None
    unfinished: str = ""  # the side that would have lost, were it not unfinished: "network" or "simple"
    more_rows: str = ""  # whether more rows would change the answer, or why that is not known; one of `sentences`
    costs: tuple[str, ...] = ()  # what the sides cost and used, as measured on this machine


@dataclass(frozen=True)
class Plan:
    """What is the same for every contender and decided before the race."""

    budget_seconds: float
    n_rows: int
    outer_folds: int
    repeats: int  # most that the race may buy
    split: str  # "stratified", "by groups of 'patient'", "by time 'when'", "random"
    curve_sizes: tuple[int, ...]
    seed: int
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinalFit:
    """The effort of the fit to ship, on all rows; of a team, that of its ``members``, the cheapest first."""

    contender: str
    rung: int
    candidates: int
    scale: float
    inner_folds: int
    configuration: dict[str, Json] | None  # None: searched once more
    rows: int | None = None  # most rows that it learns from; None: all
    members: tuple[FinalFit, ...] = ()
    weight: float = 1.0  # in its team


@dataclass(frozen=True)
class Comparison:
    """All of it: what `annvil.Run.comparison` holds and the run's ``comparison.json`` keeps."""

    metric: str  # the one that decides, as ``--metric`` takes it
    worth: float  # the gain in it that would justify a network
    plan: Plan
    standings: tuple[Standing, ...]  # best first; dummy last
    folds: tuple[FoldResult, ...]
    curves: tuple[LearningCurve, ...]
    ablations: tuple[Ablation, ...]
    verdict: Verdict
    notices: tuple[str, ...] = ()  # said aloud: cut short, fallen back, left out
    spent_seconds: dict[str, float] = field(default_factory=dict)  # per family
    ended: str = ""  # why the race ended when it did
    final: FinalFit | None = None  # how the model that ships is fitted
    crossing: Crossing | None = None
    price: Price | None = None  # of a model that a person can read; None in runs that did not ask
