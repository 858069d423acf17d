"""Is the verdict honest? Simulated tables whose truth is known, through the statistics and fold plans of the product.

    python benchmarks/verdict.py [--quick] [--parts null power shuffled race leaks curves baycomp]

- null: two learners that are truly equal (each sees one exchangeable half of the columns): how often does the verdict
  name a side? Beside it, what a plain paired t-test would have said.
- power: the second learner's columns carry half the signal of the first's: how often is the difference found?
- shuffled: targets that are noise, one learner with ten columns against one with two and the dummy: never "network".
- race: shuffled targets through the whole comparison with every contender at a small budget: never "network".
- sequence: two truly equal ladders through the race itself, which looks at results while it runs: does stopping when it
  is certain make it wrong more often?
- leaks: a column that gives the target away, in eight disguises: is it found by the audit?
- curves: power laws fitted up to a quarter of the rows: does the band hold the error with all rows?
- baycomp: largest difference between our posterior and that of `baycomp`.

Two cores, about 20 minutes, and an hour for ``sequence``; ``--quick`` about 90 seconds.
Every number comes from fixed seeds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from annvil.comparison.data_problem import DataProblem
from annvil.comparison.evidence import Evidence
from annvil.comparison.problem import Replicate
from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import DecisionLog
from annvil.comparison.race.plan import REPEATS_UP_TO, make_plan
from annvil.comparison.race.racing import Clock, Race
from annvil.comparison.race.records import Records
from annvil.comparison.request import Quiet, Request
from annvil.comparison.results import Cost, Design, FoldResult, Plan, Standing
from annvil.comparison.statistics import correlated_posterior
from annvil.comparison.store import ShippedCost, Store
from annvil.comparison.verdict import find
from annvil.data.dataset import Dataset
from annvil.data.table import Column, Field, Table
from annvil.models.contract import BaseContender
from annvil.models.jobs import Effort, Rung, Shape
from annvil.models.members import BaseMember, Fitted
from annvil.tasks.metric_index import METRICS
from annvil.tasks.metrics import Metric
from annvil.tasks.union import make_task

Array = np.ndarray[Any, np.dtype[Any]]
VERDICTS = "network", "simple", "equal", "no network", "cannot tell"
FAMILIES = {"dummy": "dummy", "linear": "linear", "net": "network"}


def in_percent(parts: Sequence[float]) -> str:
    """One cell a verdict, under their names."""
    return " ".join(f"{part:{width}.1f}" for part, width in zip(parts, (7, 6, 5, 4, 6), strict=True))


@dataclass(frozen=True)
class Learner:
    """Ridge discriminant on some columns: cheap, and as good as its columns are."""

    name: str
    columns: tuple[int, ...]

    def outputs(self, X: Array, y: Array, train: Array, test: Array) -> Array:
        """Probabilities of two classes for the test rows."""
        if not self.columns:
            share = np.full(len(test), y[train].mean())
            return np.stack([1 - share, share], axis=1)
        known, asked = X[np.ix_(train, self.columns)], X[np.ix_(test, self.columns)]
        centre, signs = known.mean(axis=0), 2.0 * y[train] - 1
        spread = (known - centre).T @ (known - centre) + np.eye(len(self.columns))
        slopes = np.linalg.solve(spread, (known - centre).T @ (signs - signs.mean()))
        positive = 1 / (1 + np.exp(-4 * ((asked - centre) @ slopes + signs.mean() / 2)))
        return np.stack([1 - positive, positive], axis=1)


def table_of(X: Array) -> Table:
    """Number columns."""
    return Table(tuple(Column(Field(f"x{j}", "number"), X[:, j].copy()) for j in range(X.shape[1])), len(X))


def make_dataset(X: Array, y: Array) -> Dataset:
    """A binary question."""
    return Dataset(table_of(X), y.astype(np.int64), make_task("binary", "y", ("no", "yes")), np.arange(len(y)))


def halves(n_rows: int, seed: int, second_share: float = 1.0, width: int = 5) -> tuple[Array, Array]:
    """Two halves of columns; the target listens to both, to the second with ``second_share`` of the strength."""
    rng = np.random.default_rng([seed, n_rows])
    X = rng.normal(size=(n_rows, 2 * width))
    weights = np.concatenate([np.ones(width), np.full(width, second_share)])
    score = X @ weights / np.sqrt(width) + 0.5 * rng.normal(size=n_rows)
    return X, (score > 0).astype(np.int64)


def plan_of(n_rows: int, repeats: int, seed: int) -> Plan:
    """The product's folds."""
    return Plan(0.0, n_rows, 5, repeats, "random", (), seed)


def results_of(
    learner: Learner, dataset: Dataset, X: Array, folds: Sequence[Sequence[Replicate]], metric: Metric
) -> list[FoldResult]:
    """What the race would have kept, without disk and export."""
    made, y = [], dataset.y
    for repeat in folds:
        for fold in repeat:
            rows = fold.job.rows
            out_of_fold = np.zeros((dataset.n_rows, 2))
            for split in fold.job.inner:
                out_of_fold[split.test] = learner.outputs(X, y, split.train, split.test)
            outputs = learner.outputs(X, y, rows, fold.test)
            score = metric.score(y[fold.test], outputs)
            inner = metric.score(y[rows], out_of_fold[rows])
            place = (fold.job.key, fold.repeat, fold.fold, len(rows), len(fold.test))
            parts = DataProblem(dataset).without_part(fold.test, outputs, metric, None)
            scores = {metric.name: score}
            made.append(FoldResult(learner.name, *place, scores, inner, {}, "", (), 0, 0, 1, without_part=parts))
    return made


def verdict_of(dataset: Dataset, X: Array, learners: Sequence[Learner], repeats: int, metric: Metric, seed: int) -> Any:
    """The product's finding for these learners."""
    plan = plan_of(dataset.n_rows, repeats, seed)
    folds = DataProblem(dataset).replicates(Design(plan.outer_folds, plan.repeats, 5, plan.seed))
    results, standings = [], []
    for learner in learners:
        found = results_of(learner, dataset, X, folds, metric)
        results += found
        means = {metric.name: float(np.mean([f.scores[metric.name] for f in found]))}
        cost = Cost(1, 1, 1, 1, 1, 1)
        family = FAMILIES[learner.name]
        standings.append(Standing(learner.name, learner.name, family, "finished", "", (), means, {}, "", cost))  # type: ignore[arg-type]
    return find(Evidence(metric, 0.01, 0.95, plan, tuple(standings), tuple(results), (), None, "", time_ordered=False))


def plain_t(differences: Sequence[float]) -> bool:
    """Whether the paired t-test, at 5%, would call the difference real."""
    from scipy import stats

    d = np.asarray(differences)
    return bool(d.std() > 0 and stats.ttest_1samp(d, 0.0).pvalue < 0.05)


def most_repeats(n_rows: int) -> int:
    """As many as the product's plan would make with plenty of time."""
    return next((repeats for rows, repeats in REPEATS_UP_TO if n_rows <= rows), 1)


def part_two_learners(n_tables: int, second_share: float, title: str) -> None:
    """Null (share 1) or power (share below 1; the network's half is the stronger one)."""
    print(f"\n{title}: {n_tables} tables each; verdicts in %, false ones are network + simple")
    print(f"{'rows':>6} {'folds':>6} {'metric':>9} | network simple equal none cannot | plain t-test names a winner")
    for n_rows in (200, 1000):
        for repeats in (1, 2, most_repeats(n_rows)):
            for metric in (METRICS["accuracy"], METRICS["roc_auc"]):
                kinds: Counter[str] = Counter()
                plain = 0
                for seed in range(n_tables):
                    X, y = halves(n_rows, seed, second_share)
                    learners = [Learner("linear", tuple(range(5, 10))), Learner("net", tuple(range(5)))]
                    found = verdict_of(make_dataset(X, y), X, learners, repeats, metric, seed)
                    kinds[found.kind] += 1
                    plain += plain_t(found.posterior.differences)
                parts = [100 * kinds[k] / n_tables for k in VERDICTS]
                row = f"{n_rows:>6} {repeats}x5{'':>3} {metric.name:>9} | {in_percent(parts)}"
                print(f"{row} | {100 * plain / n_tables:.1f}", flush=True)


def part_shuffled(n_tables: int) -> None:
    """Noise targets through the statistics alone."""
    learners = [Learner("dummy", ()), Learner("linear", (0, 1)), Learner("net", tuple(range(10)))]
    print(f"\nshuffled targets, {n_tables} tables each; 'unguarded' counts P(network better by more than worth) >= 95%")
    for n_rows in (150, 600):
        for repeats in (1, most_repeats(n_rows)):
            kinds: Counter[str] = Counter()
            unguarded = 0
            for seed in range(n_tables):
                rng = np.random.default_rng([seed, n_rows, 7])
                X, y = rng.normal(size=(n_rows, 10)), rng.integers(2, size=n_rows)
                found = verdict_of(make_dataset(X, y), X, learners, repeats, METRICS["roc_auc"], seed)
                kinds[found.kind] += 1
                unguarded += found.posterior.p_first >= 0.95
            print(f"{n_rows:>6} {repeats}x5 | {dict(kinds)}, unguarded {unguarded}", flush=True)


def part_race(n_tables: int) -> None:
    """Noise targets through the whole comparison."""
    from annvil.comparison import compare
    from annvil.kinds.tables.contenders import contenders_for_tables

    kinds: Counter[str] = Counter()
    recommended: Counter[str] = Counter()
    for seed in range(n_tables):
        rng = np.random.default_rng([seed, 8])
        dataset = make_dataset(rng.normal(size=(160, 6)), rng.integers(2, size=160))
        with tempfile.TemporaryDirectory() as folder:
            request = Request(METRICS["roc_auc"], budget_seconds=15.0, seed=seed)
            verdict = compare(DataProblem(dataset), contenders_for_tables(), request, Store(Path(folder))).verdict
        kinds[verdict.kind] += 1
        recommended[verdict.recommended] += 1
    print(f"\nshuffled targets through the race, {n_tables} tables: {dict(kinds)}, recommended {dict(recommended)}")


@dataclass
class Climber(BaseContender):
    """The ridge discriminant on a growing part of its columns: a rung sees more of them, the last all."""

    name: str
    family: Any
    columns: tuple[int, ...]
    title: str = ""

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """Three rungs of columns."""
        sizes = [len(self.columns)] if not self.columns else [3, 4, len(self.columns)]
        return tuple(Rung(Effort(rung=k, inner_folds=3, candidates=n), 0.01 * 2**k) for k, n in enumerate(sizes))

    def fit(self, dataset: Dataset, jobs: Any, effort: Effort, context: Any) -> Iterator[Fitted]:
        """Fitted without search."""
        X, y = dataset.inputs.numbers(), dataset.y
        learner = Learner(self.name, self.columns[: effort.candidates])
        for job in jobs:
            out_of_fold = np.full((len(job.rows), 2), np.nan)
            for split in job.inner:
                out_of_fold[np.isin(job.rows, split.test)] = learner.outputs(X, y, split.train, split.test)
            yield Fitted(self.name, job, dataset.task, (Fixed(learner, X, y, job.rows),), None, out_of_fold, {}, "")


@dataclass
class Fixed(BaseMember):
    """A fitted learner; it looks up rows of the one data set there is."""

    learner: Learner
    X: Array
    y: Array
    rows: Array
    n_parameters: int = 1

    def predict(self, inputs: Any) -> Array:
        """Probabilities."""
        asked = inputs.numbers()
        X, y = np.concatenate([self.X[self.rows], asked]), self.y[self.rows]
        n = len(self.rows)
        return self.learner.outputs(X, y, np.arange(n), np.arange(n, len(X)))


class Unshipped(DataProblem):
    """Nothing is exported."""

    def ship(self, fitted: Fitted, test: Any, outputs: Any) -> tuple[bytes, ShippedCost]:
        """A cost like everybody's."""
        return b"", ShippedCost(Cost(1, 1, 1, 1, 1, 1), 0.0)


def part_sequence(n_tables: int) -> None:
    """Truly equal ladders through the race itself: it looks at results while it runs, and stops when it is certain."""
    print(f"\nsequence: {n_tables} tables each, two equal ladders through the race; verdicts in % where it stopped")
    print(f"{'rows':>6} {'metric':>9} | network simple equal none cannot | units in the mean")
    for n_rows in (200, 1000):
        for metric in (METRICS["accuracy"], METRICS["roc_auc"]):
            kinds: Counter[str] = Counter()
            units = 0
            for seed in range(n_tables):
                X, y = halves(n_rows, seed)
                problem = Unshipped(make_dataset(X, y))
                contenders = [
                    Climber("dummy", "dummy", ()),
                    Climber("linear", "linear", tuple(range(5, 10))),
                    Climber("net", "network", tuple(range(5))),
                ]
                with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
                    request = Request(metric, budget_seconds=3_600.0, seed=seed)
                    store = Store(Path(folder))
                    entrants = make_plan(problem, contenders, request)
                    log = DecisionLog(store.decisions)
                    costs = CostModel({c.name: c for c in contenders}, entrants.ladders, entrants.plan.outer_folds)
                    records = Records(contenders, entrants, metric, store, log)
                    race = Race(problem, records, request, costs, Quiet(), Clock())
                    race.run(lambda: 0.0, 0.0)
                    view = race.view(race.posterior())
                    gains = {name: view.expected_gain(one) for name, one in view.entrants.items()}
                    evidence = Evidence(
                        *(metric, race.worth, 0.95, entrants.plan, records.standings(over=True), records.all_folds()),
                        *((), None, ""),
                        time_ordered=False,
                        gains=gains,
                    )
                    kinds[find(evidence).kind] += 1
                    units += len(log)
            parts = [100 * kinds[k] / n_tables for k in VERDICTS]
            row = f"{n_rows:>6} {metric.name:>9} | {in_percent(parts)}"
            print(f"{row} | {units / n_tables:.1f}", flush=True)


def part_leaks(n_plants: int) -> None:
    """Columns that give the target away, among honest ones."""
    from annvil.kinds.registry import audit

    found, alarms, missed = 0, 0, Counter[str]()
    for seed in range(n_plants):
        rng = np.random.default_rng([seed, 9])
        X, y = halves(400, seed)
        clean = make_dataset(X, y)
        name, column = leak(seed, y, rng)
        table = Table((*clean.inputs.columns, column), clean.n_rows)
        planted = Dataset(table, clean.y, clean.task, clean.groups)
        named = [c for f in audit(planted) if "leak" in f.kind for c in f.columns]
        alarms += any("leak" in f.kind for f in audit(clean))
        found += "leaking" in named
        missed.update([] if "leaking" in named else [name])
    print(f"\nplanted leaks: found {found} of {n_plants}, missed {dict(missed)}; false alarms on clean tables {alarms}")


def leak(seed: int, y: Array, rng: np.random.Generator) -> tuple[str, Column]:
    """A disguise for the target, by turns."""
    n = len(y)
    texts = ("no", "yes")
    wrong = rng.random(n) < 0.01
    gone = rng.random(n) < 0.1
    number = {
        "copy": y * 1.0,
        "scaled": 37.0 - 12.5 * y,
        "noisy": y + 0.1 * rng.normal(size=n),
        "one in a hundred wrong": np.where(wrong, 1 - y, y) * 1.0,
        "a tenth missing": np.where(gone, np.nan, y * 3.0),
        "in two ranges": np.where(y == 1, rng.uniform(5, 6, n) * rng.choice([-1, 1], n), rng.uniform(-4, 4, n)),
    }
    name = (*number, "text", "text, some wrong")[seed % 8]
    if name in number:
        return name, Column(Field("leaking", "number"), number[name])
    codes = np.where(wrong, 1 - y, y) if name == "text, some wrong" else y
    return name, Column(Field("leaking", "category"), codes.astype(np.int32), texts)


def part_curves(n_tables: int) -> None:
    """Extrapolation from a quarter of the rows to all of them."""
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    from annvil.comparison.power_law import fit_law, why_ill_behaved
    from annvil.comparison.results import Anchor

    learners: list[Callable[[], Any]] = [
        lambda: LogisticRegression(max_iter=200),
        GaussianNB,
        lambda: KNeighborsClassifier(7),
        lambda: DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
    ]
    held, fitted, refused = 0, 0, 0
    largest = 3200
    for seed in range(n_tables):
        X, y = make_classification(
            6000, 12, n_informative=8, n_clusters_per_class=1 + seed % 3, class_sep=0.7, flip_y=0.05, random_state=seed
        )
        make = learners[seed % len(learners)]
        orders = [np.random.default_rng([seed, r]).permutation(6000) for r in range(3)]

        def error(size: int, order: Array, X: Array = X, y: Array = y, make: Any = make) -> float:
            train, test = order[1500 : 1500 + size], order[:1500]
            return float(np.mean(make().fit(X[train], y[train]).predict(X[test]) != y[test]))

        anchors = []
        for size in (round(largest / 4 / np.sqrt(2) ** k) for k in range(6, -1, -1)):
            errors = tuple(error(size, order) for order in orders)
            anchors.append(Anchor(size, errors, float(np.mean(errors)), float(np.std(errors, ddof=1))))
        law = fit_law(anchors, seed)
        if why_ill_behaved(anchors, law):
            refused += 1
            continue
        fitted += 1
        low, high = np.quantile(law.draws_at(np.array([float(largest)])), [0.05, 0.95])
        held += bool(low <= np.mean([error(largest, order) for order in orders]) <= high)
    print(f"\ncurves, 90% band from n/4 to n: holds {held} of {fitted}; refused as ill-behaved {refused} of {n_tables}")


def part_baycomp() -> None:
    """Against the reference implementation."""
    import baycomp

    worst = 0.0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        folds, repeats = int(rng.integers(2, 11)), int(rng.integers(1, 6))
        second = rng.uniform(0.5, 1.0, size=folds * repeats)
        first = second + rng.normal(0.02 * rng.normal(), rng.uniform(0.001, 0.05), size=second.size)
        if len(second) < 2:
            continue
        worth = float(rng.choice([0.001, 0.01, 0.05]))
        ours = correlated_posterior((first - second).tolist(), overlap=1 / folds, worth=worth)
        assert ours is not None
        theirs = baycomp.two_on_single(second, first, rope=worth, runs=repeats)
        worst = max(worst, float(np.max(np.abs(np.subtract((ours.p_second, ours.p_equal, ours.p_first), theirs)))))
    print(f"\nbaycomp: largest difference of a probability over 300 comparisons {worst:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer tables")
    names = ("null", "power", "shuffled", "race", "sequence", "leaks", "curves", "baycomp")
    parser.add_argument("--parts", nargs="+", choices=names, default=names)
    asked = parser.parse_args()
    many, some, few = (60, 24, 3) if asked.quick else (400, 100, 20)
    parts: dict[str, Callable[[], None]] = {
        "null": lambda: part_two_learners(many, 1.0, "null"),
        "power": lambda: part_two_learners(some, 0.5, "power"),
        "shuffled": lambda: part_shuffled(many // 2),
        "race": lambda: part_race(few),
        "sequence": lambda: part_sequence(many),
        "leaks": lambda: part_leaks(some),
        "curves": lambda: part_curves(some),
        "baycomp": part_baycomp,
    }
    for name in asked.parts:
        started = time.perf_counter()
        parts[name]()
        print(f"({name}: {time.perf_counter() - started:.0f} s)")


if __name__ == "__main__":
    main()
