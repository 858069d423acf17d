"""A finished run: what it found, the model, and where the report is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from annvil.comparison.results import Comparison, Price, Standing, Verdict
from annvil.data.plugins import kind_named
from annvil.errors import AnnvilError, RequestError
from annvil.files import legible
from annvil.kinds.base import Explanation, Kind
from annvil.kinds.commands import StudyResult
from annvil.run.folder import RunFolder, RunState, existing_folder
from annvil.run.request import FitRequest
from annvil.tasks.metric_index import METRICS

if TYPE_CHECKING:
    from annvil.bundle import Predictor
    from annvil.data.findings import Finding


class Run:
    """What `fit` returns, and what `open_run` reads from a run folder; each part is read when it is first asked for.

    Raises
    ------
    DataError, BundleError
        By the part that is asked for, where its file in the folder is damaged or was made by another version.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.verdict.kind}: {self.verdict.headline!r})"

    @property
    def folder(self) -> Path:
        """Where everything lies."""
        return self._folder.path

    @property
    def name(self) -> str:
        """The folder's name, such as ``titanic-1``."""
        return self.folder.name

    @property
    def report_path(self) -> Path:
        """The report, one HTML file."""
        return self._folder.report

    @cached_property
    def request(self) -> FitRequest:
        """What was asked."""
        return self._folder.read_request()

    @cached_property
    def comparison(self) -> Comparison:
        """Standings, folds, learning curves and verdict."""
        return self._folder.read_comparison()

    @property
    def verdict(self) -> Verdict:
        """The answer."""
        return self.comparison.verdict

    @property
    def price_of_explainability(self) -> Price | None:
        """What a model costs that a person can read: kind, sentence, sides and posterior; None in older runs."""
        return self.comparison.price

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the check of the data found."""
        from annvil.run.reporting import read_record

        return read_record(self._folder).findings

    @cached_property
    def scores(self) -> list[dict[str, Any]]:
        """One row per model, best first, the baseline last: every metric's mean over the folds (``roc_auc``) and its
        standard deviation (``roc_auc_spread``), the steps of effort, and the cost (seconds, milliseconds, bytes, MB).
        """
        return [score_row(standing) for standing in self.comparison.standings]

    @cached_property
    def model(self) -> Predictor:
        """The shipped model, loaded from the bundle as it lies on disk."""
        from annvil.bundle import load

        return load(self._folder.model)

    def study(self, name: str, budget: str | float = "2m") -> StudyResult:
        """More that can be measured on this run, such as ``"dense-vs-cnn"``: what a convolutional network has that a
        dense one lacks; the report shows it from then on.

        What an interrupted call has measured is not measured again by the next one of the same budget.

        Raises
        ------
        RequestError
            When this kind of data has no such study; the message names those it has.
        DataError
            When the data have changed since.
        """
        from annvil.run.studying import study

        return study(self.folder, name, budget)

    def explain(self, one: Any = None, label: str | None = None, **options: Any) -> Explanation:
        """Why the model says what it says of one thing or several, with tests of whether that can be trusted:
        ``sentences()``, ``to_json()``, ``written(ending)``. What can be explained depends on the kind of data.

        Parameters
        ----------
        one : as `annvil.bundle.Predictor.predict` takes it; None: the whole model
        label : the class to explain; default: the one the model decides for
        options : of the kind, as ``annvil explain`` has them

        Raises
        ------
        RequestError
            When such data cannot be explained one by one, or the class is unknown.
        """
        from annvil.kinds.registry import command_options_for

        if one is None:
            return self.kind.explain_whole(self._folder.model)
        return self.kind.explain(
            self._folder.model, one, label, command_options_for("explain", self.kind, options, self.name)
        )

    @cached_property
    def kind(self) -> Kind:
        """The kind of data it is about."""
        found: Kind = kind_named(self.model.form.kind)
        return found

    def to_json(self) -> dict[str, Any]:
        """The result for machines: verdict, scores, how the race went and where things are; JSON-able.

        ``explanation`` has what drives the model that ships, what it ignores and where it is unsure, and by which tests
        that may be believed.

        ``race`` has ``ended`` (why), ``seconds`` (all pieces of work together) and ``decisions``: each piece with why
        it was done, what it was expected to take and took, and how it ended. ``final`` is how the model that ships was
        fitted.
        """
        return {
            "name": self.name,
            "folder": str(self.folder),
            "report": str(self.report_path),
            "model": str(self._folder.model),
            "metric": self.comparison.metric,
            "worth": self.comparison.worth,
            "verdict": msgspec.to_builtins(self.verdict),
            "price_of_explainability": msgspec.to_builtins(self.comparison.price),
            "explanation": self._explanation(),
            "scores": self.scores,
            "race": self._race(),
            "final": msgspec.to_builtins(self.comparison.final),
            "notices": list(self.comparison.notices),
        }

    def _explanation(self) -> dict[str, Any] | None:
        explanation = self.model.explanation
        if explanation is None:
            return None
        return {"sentences": list(explanation.sentences), "checks": msgspec.to_builtins(explanation.checks)}

    def _race(self) -> dict[str, Any]:
        from annvil.comparison import Store
        from annvil.comparison.race.decisions import read_decisions

        log = Store(self._folder.race).decisions
        decisions = read_decisions(log) if log.exists() else ()
        seconds = round(sum(one.seconds for one in decisions), 3)
        return {
            "ended": self.comparison.ended,
            "seconds": seconds,
            "decisions": [msgspec.to_builtins(one) for one in decisions],
        }


@dataclass(frozen=True)
class RunSummary:
    """One line of ``annvil runs``."""

    name: str
    folder: Path
    data: str
    target: str
    state: str
    verdict: str
    score: str
    when: datetime


def open_run(folder: str | Path) -> Run:
    """The finished run in ``folder``.

    Raises
    ------
    RequestError
        When there is none, or it is not finished; the message says how to go on with it.
    """
    run_folder = existing_folder(folder)
    state = run_folder.read_state()
    if state.state != "finished":
        raise RequestError(f"{folder} is {_state_in_words(state)}. Go on with it: annvil resume {folder}")
    return Run(run_folder)


def list_runs(out: str | Path = "runs") -> list[RunSummary]:
    """Every run in ``out``, newest first; folders that are no runs are passed over."""
    found = []
    for path in Path(out).glob("*/state.json"):
        folder = RunFolder(path.parent)
        try:
            with legible(folder.path):
                found.append(_summary(folder, folder.read_state(), folder.read_request()))
        except (AnnvilError, OSError):
            continue  # not ours, or damaged: `annvil report` on it says which
    return sorted(found, key=lambda summary: summary.when, reverse=True)


def score_row(standing: Standing) -> dict[str, Any]:
    """A contender as a flat row: ``roc_auc``, ``roc_auc_spread``, …, ``fit_seconds``, ``latency_ms_p50``, …

    ``rungs`` are the steps of its ladder in words, ``rung`` the one that is judged (from 0), ``rung_means`` the metric
    after each complete one, ``rung_seconds`` the seconds of the run until then.
    """
    row: dict[str, Any] = {"contender": standing.contender, "title": standing.title, "family": standing.family}
    row |= {"explainable": standing.explainable, "state": standing.state, "summary": standing.summary}
    for metric, mean in standing.means.items():
        row[metric] = mean
        row[f"{metric}_spread"] = standing.spreads[metric]
    row |= {"rung": standing.rung, "rungs": list(standing.rungs), "rung_means": list(standing.rung_means)}
    row |= {"rung_seconds": list(standing.rung_seconds), "used_seconds": standing.used_seconds}
    row |= {"still_improves": standing.still_improves}
    if standing.cost is not None:
        row |= msgspec.to_builtins(standing.cost)
    return row


def _summary(folder: RunFolder, state: RunState, request: FitRequest) -> RunSummary:
    verdict, score, target = "", "", request.asked.target
    if state.state == "finished":
        comparison = folder.read_comparison()
        verdict = comparison.verdict.kind
        best = next(s for s in comparison.standings if s.contender == comparison.verdict.recommended)
        metric = METRICS[comparison.metric]
        score = f"{best.title} {metric.title} {metric.shows(best.means[metric.name])}"
    return RunSummary(
        name=folder.path.name,
        folder=folder.path,
        data=request.data or "from memory",
        target=target if isinstance(target, str) else ", ".join(target or ()),
        state=_state_in_words(state),
        verdict=verdict,
        score=score,
        when=_started(folder, state),
    )


def _started(folder: RunFolder, state: RunState) -> datetime:
    """When it began; when its state was written last where that is no moment (a damaged file, a clock astray)."""
    try:
        return datetime.fromtimestamp(state.started).astimezone()
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp((folder.path / "state.json").stat().st_mtime).astimezone()


def _state_in_words(state: RunState) -> str:
    return f"running or killed ({state.stage})" if state.state == "running" else state.state
