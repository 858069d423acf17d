"""A finished run made of plain records, so that the command line is tested without training anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from annvil.bundle import export, load, save
from annvil.comparison.race.decisions import Unit
from annvil.comparison.request import Moment
from annvil.comparison.results import Comparison, Cost, Plan, Posterior, Standing, Verdict
from annvil.data.dataset import ColumnNote, Dataset, Source
from annvil.data.plugins import kind_named
from annvil.data.table import Field, table_form, table_from_columns
from annvil.onnx.builder import ML, Graph, Value
from annvil.run import RunSummary
from annvil.tasks.union import make_task

FORM = table_form([Field("age", "number"), Field("city", "category")])
TASK = make_task("binary", "buys", ("no", "yes"), "it has two values")
VERDICT = Verdict(
    kind="equal",
    headline="No network needed.",
    sentences=(
        "Boosted trees and the network ensemble are practically equal: 94% sure within ±0.01 in ROC AUC.",
        "More rows would not change this: the curves run parallel.",
    ),
    recommended="boosted-trees",
    recommended_because="Boosted trees cost 1/40 to train.",
    posterior=None,
    network_ruled_out=True,
    rows_that_would_tell=None,
    base_rate="On tables like this one, a network was worth it in 3 of 10 published comparisons.",
)


def standing(contender: str, title: str, mean: float | None, **changes: Any) -> Standing:
    """One contender with plausible costs, or one that has not begun."""
    per_fold = () if mean is None else tuple(mean + step for step in (-0.01, 0.0, 0.01))
    cost = Cost(1.25, 1.2, 6, 12_345, 310_000, 0.0412, 0.06, 250_000.0, 12.0)
    values = {
        "family": "network",
        "state": "waiting" if mean is None else "finished",
        "reason": "",
        "per_fold": per_fold,
        "means": {} if mean is None else {"roc_auc": mean, "log_loss": 0.4},
        "spreads": {} if mean is None else {"roc_auc": 0.0213, "log_loss": 0.05},
        "summary": "",
        "cost": None if mean is None else cost,
        "rungs": ("1 candidate, one holdout", "4 candidates, one holdout", "8 candidates, 5 inner folds", "and longer"),
        "rung": None if mean is None else 1,
        "rung_means": () if mean is None else (mean - 0.004, mean),
        "rung_seconds": () if mean is None else (2.0, 7.0),
    }
    return Standing(contender, title, **{**values, **changes})


STANDINGS = (
    standing("boosted-trees", "Boosted trees", 0.871, family="trees"),
    standing("network-ensemble", "Network ensemble", 0.869, still_improves=True),
    standing("linear", "Logistic regression", 0.85, family="linear"),
    standing("neighbours", "k-nearest neighbours", None, family="neighbours", state="skipped", reason="too many rows"),
    standing("dummy", "Base rate", 0.5, family="dummy"),
)
NOTHING_YET = {"per_fold": (), "means": {}, "spreads": {}, "cost": None, "rung": None, "rung_means": ()}
PLAN = Plan(120.0, 500, 5, 1, "stratified", (), 0)
COMPARISON = Comparison(
    "roc_auc",
    0.01,
    PLAN,
    STANDINGS,
    (),
    (),
    (),
    VERDICT,
    notices=("k-nearest neighbours skipped: too many rows.",),
    ended="the time was used",
)


POSTERIOR = Posterior(0.02, 0.015, 4, 0.01, 0.71, 0.22, 0.07, -0.02, 0.06, 0.2, (0.02, 0.03))


class AgeAndCity:
    """p(yes) is 0.9 in Oslo and 0.2 elsewhere."""

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        city = graph.columns(texts, [0])
        yes = graph.op("LabelEncoder", city, domain=ML, keys_strings=["Oslo"], values_floats=[0.9], default_float=0.2)
        return graph.concat([graph.op("Sub", graph.constant(np.float32(1)), yes), yes])


def dataset() -> Dataset:
    """Four buyers."""
    inputs = table_from_columns(
        [("age", "number", [30, 40, 50, 60]), ("city", "category", ["Oslo", "Rome", "Oslo", None])]
    )
    notes = (
        ColumnNote("id", "identifier", False, "every value is different", 0, 4),
        ColumnNote("age", "number", True, "numbers", 0, 4),
        ColumnNote("city", "category", True, "2 different texts", 1, 2),
        ColumnNote("buys", "role", False, "the target", 0, 2),
    )
    source = Source("buyers.csv", "buyers.csv", "ab" * 32, 100, "comma, UTF-8")
    return Dataset(inputs, np.array([0, 1, 1, 0]), TASK, np.arange(4), notes=notes, source=source)


FINDINGS = (
    SimpleNamespace(
        kind="missing",
        severity="info",
        columns=("city",),
        what="1 of 4 values of 'city' is missing.",
        action="It is kept.",
        which="",
    ),
    SimpleNamespace(
        kind="leak",
        severity="serious",
        columns=("age",),
        what="'age' alone predicts 'buys' almost perfectly.",
        action="Leave it out with --drop age if it is not known in time.",
        which="",
    ),
)


@dataclass
class FakeRun:
    """What `annvil.run.fit` returns."""

    folder: Path
    comparison: Comparison = COMPARISON

    @property
    def verdict(self) -> Verdict:
        return self.comparison.verdict

    @property
    def findings(self) -> tuple[Any, ...]:
        return FINDINGS

    @property
    def report_path(self) -> Path:
        return self.folder / "report.html"

    @property
    def model(self) -> Any:
        return load(self.folder / "model")

    @property
    def kind(self) -> Any:
        return kind_named("tables")

    def to_json(self) -> dict[str, Any]:
        return {"name": self.folder.name, "verdict": {"kind": self.verdict.kind}}


@dataclass
class FakeHouse:
    """Stands in for `annvil.run`: remembers how it was called, tells the listener a short story, or raises."""

    folder: Path
    comparison: Comparison = COMPARISON
    calls: list[tuple[str, Any, dict[str, Any]]] = field(default_factory=list)
    error: BaseException | None = None
    started: float | None = None

    def fit(self, data: Any, *, listener: Any = None, started: float | None = None, **options: Any) -> FakeRun:
        self.calls.append(("fit", data, options))
        self.started = started
        return self._tell(listener)

    def resume(
        self, folder: Path, *, budget: float | None = None, listener: Any = None, started: float | None = None
    ) -> FakeRun:
        self.calls.append(("resume", folder, {} if budget is None else {"budget": budget}))
        self.started = started
        return self._tell(listener)

    def list_runs(self, out: Any = "runs") -> list[RunSummary]:
        self.calls.append(("list_runs", out, {}))
        when = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
        return [
            RunSummary("buyers-2", self.folder, "data/buyers.csv", "buys", "interrupted", "", "", when),
            RunSummary("buyers-1", self.folder, "data/buyers.csv", "buys", "finished", "equal", "Trees 0.871", when),
        ]

    def write_report(self, folder: Path) -> Path:
        self.calls.append(("write_report", folder, {}))
        return self.folder / "report.html"

    def _tell(self, listener: Any) -> FakeRun:
        run = FakeRun(self.folder, self.comparison)
        if listener is not None:
            listener.stage("Reading")
            listener.read(dataset(), FINDINGS)
            listener.stage("Comparing")
            waiting = tuple(replace(row, **NOTHING_YET) for row in STANDINGS)
            listener.standings(waiting, 1.0)
            first = Moment(None, Unit("fit", "linear"), "the first fair training of everybody", 2.0, 7.0, latest_end=99)
            listener.moment(first)
            listener.notice("Fewer folds: the budget is short.")
            listener.standings(STANDINGS, 41.0)
            unit = Unit("fit", "network-ensemble", 2)
            so_far = Moment(POSTERIOR, unit, "may change the answer", 20.0, 41.0, verdict=VERDICT, latest_end=108.0)
            listener.moment(so_far)
            climbed = (replace(STANDINGS[1], rung=2, rung_means=(0.861, 0.865, 0.869)), *STANDINGS)
            listener.standings(tuple({row.contender: row for row in reversed(climbed)}.values())[::-1], 58.0)
            listener.moment(replace(so_far, spent_seconds=58.0, ending="complete", seconds=17.0))
            trees = Moment(POSTERIOR, Unit("fit", "boosted-trees", 3), "is the best", 30.0, 59.0, verdict=VERDICT)
            listener.moment(replace(trees, ending="cut short", seconds=6.0, spent_seconds=65.0))
            listener.standings(STANDINGS, 65.0)
        if self.error is not None:
            raise self.error
        if listener is not None:
            listener.finished(run)
        return run


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    """A bundle in the place where a run keeps it."""
    graph = export(AgeAndCity(), FORM, TASK)
    folder = tmp_path / "runs" / "buyers-1"
    info = {"preparation": ["'city' became one column for each city."]}
    save(folder / "model", graph, form=FORM, task=TASK, info=info)
    return folder


@pytest.fixture
def house(saved_model: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHouse:
    """`annvil.run`, faked."""
    fake = FakeHouse(saved_model)
    for name in ("fit", "resume", "list_runs", "write_report"):
        monkeypatch.setattr(f"annvil.run.{name}", getattr(fake, name), raising=False)
    return fake


@pytest.fixture
def annvil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command line in an empty folder; standard output and error are kept apart."""
    from annvil.cli.app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANNVIL_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | os.PathLike[str]) -> Result:
        return CliRunner().invoke(app, [os.fspath(argument) for argument in arguments], prog_name="annvil")

    return run
