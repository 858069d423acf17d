"""What Annvil's networks reach on real tables, and what parts of their recipe are worth.

    python benchmarks/networks.py --data FOLDER [--rows 5000] [--folds 2] [--candidates 4] [--scale 0.5] [TABLE …]
    python benchmarks/networks.py --data FOLDER --ablate [TABLE …]

Prints a Markdown table: log-loss, or root mean squared error over the target's standard deviation, mean over the outer
folds, and processor seconds per outer fold. All networks get the same five inner folds, whose networks are averaged.
References, one fit each: scikit-learn's MLP at its defaults on scaled numbers, one-hot categories and a scaled target,
and its histogram gradient boosting on `TreePreparation`. With ``--ablate`` the first candidate of the dense networks is
trained again and again with one setting changed. FOLDER holds tables/NAME.csv (ANNVIL_DATA can name it
too); "made" is scikit-learn's `make_classification`, 10 of 20 columns informative.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split, inner_splits, outer_splits
from annvil.kinds.registry import read
from annvil.models.jobs import Context, Effort, Job
from annvil.models.networks.dense_networks import DenseFamily, DenseNetworks
from annvil.models.networks.ensemble import NetworkEnsemble
from annvil.models.networks.shared_ensemble import SharedEnsembles
from annvil.preparation import LinearPreparation, TargetScaling, TreePreparation

TARGETS = {
    "made": "y",
    "titanic": "Survived",
    "pima_diabetes": "diabetes",
    "german_credit": "class",
    "phoneme": "oral",
    "telco_churn": "Churn",
    "adult": "income",
    "online_shoppers": "Revenue",
    "letter": "letter",
    "concrete": "strength",
    "kin8nm": "distance",
    "california_housing": "median_house_value",
    "wine_quality": "quality",
    "bike_hour": "cnt",
    "abalone": "rings",
}

Outputs = np.ndarray
Way = Callable[[Dataset, Job, Any], Outputs]

CHANGES: dict[str, dict[str, Any]] = {
    "first candidate": {},
    "frequency 0.03": {"frequency": 0.03},
    "frequency 0.1": {"frequency": 0.1},
    "frequency 0.3": {"frequency": 0.3},
    "frequency 3": {"frequency": 3.0},
    "rate halved": {"learning_rate": 0.5},
    "rate doubled": {"learning_rate": 2.0},
    "no dropout": {"dropout": 0.0},
    "dropout 0.35": {"dropout": 0.35},
    "decay 0.2": {"weight_decay": 0.2},
    "2 × 64": {"widths": [64, 64]},
    "2 × 256": {"widths": [256, 256]},
    "3 × 96": {"widths": [96, 96, 96]},
    "epochs doubled": {"epochs": 2.0},
}
"""Settings to change; learning rate and epochs are factors."""


def network(kind: Any, effort: Effort) -> Way:
    """A contender of Annvil, as it is."""

    def fit(dataset: Dataset, job: Job, test: Any) -> Outputs:
        (fitted,) = kind().fit(dataset, [job], effort, Context())
        return np.asarray(fitted.predict(dataset.inputs.take(test)))

    return fit


def changed(change: dict[str, Any], scale: float) -> Way:
    """The first candidate of the dense networks with some settings changed."""

    def fit(dataset: Dataset, job: Job, test: Any) -> Outputs:
        architecture, n_train = DenseFamily(), len(job.inner[0].train)
        settings = architecture.portfolio(dataset.task.predicts_probabilities, n_train)[0].to_json()
        new = settings | {"epochs": architecture.epochs(n_train, scale)} | change
        for name in ("learning_rate", "epochs"):
            if name in change:
                old = architecture.epochs(n_train, scale) if name == "epochs" else settings[name]
                new[name] = type(old)(old * change[name])
        return network(DenseNetworks, Effort(configuration=new))(dataset, job, test)

    return fit


def scikit_mlp(dataset: Dataset, job: Job, test: Any) -> Outputs:
    """scikit-learn's MLP, nothing changed, on columns and a target that suit it."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    preparation, train = LinearPreparation.fit_transform(dataset.inputs.take(job.rows))
    rows, y = preparation.transform(dataset.inputs.take(test)).numbers, dataset.y[job.rows]
    if dataset.task.predicts_probabilities:
        return np.asarray(MLPClassifier(random_state=0).fit(train.numbers, y).predict_proba(rows))
    target = TargetScaling.fit(y)
    return target.inverse(MLPRegressor(random_state=0).fit(train.numbers, target.transform(y)).predict(rows))[:, None]


def scikit_boosting(dataset: Dataset, job: Job, test: Any) -> Outputs:
    """scikit-learn's histogram gradient boosting, nothing changed."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    classes, y = dataset.task.predicts_probabilities, dataset.y[job.rows]
    preparation, train = TreePreparation.fit_transform(
        dataset.inputs.take(job.rows), y=y, task=dataset.task, seed=job.seed
    )
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(random_state=0).fit(train.numbers, y)
    rows = preparation.transform(dataset.inputs.take(test)).numbers
    return np.asarray(model.predict_proba(rows) if classes else model.predict(rows)[:, None])


def load(name: str, folder: Path, rows: int) -> Dataset:
    """At most so many rows of a table, drawn with seed 0."""
    if name == "made":
        from sklearn.datasets import make_classification

        X, y = make_classification(10_000, 20, n_informative=10, n_clusters_per_class=4, random_state=0)
        dataset = read((X, y), target=None)
    else:
        dataset = read(folder / "tables" / f"{name}.csv", target=TARGETS[name], drop_missing_target=True)
    if dataset.n_rows <= rows:
        return dataset
    return dataset.take(np.sort(np.random.default_rng(0).choice(dataset.n_rows, rows, replace=False)))


def jobs_of(dataset: Dataset, folds: int, inner: int) -> list[tuple[Job, Any]]:
    """The first ``folds`` of five outer folds, each with its inner folds and its test rows."""
    jobs = []
    for number, outer in enumerate(outer_splits(dataset, 5, 1, 0)[0][:folds]):
        splits = tuple(Split(s.train, s.test) for s in inner_splits(dataset, outer.train, inner, number))
        jobs.append((Job(f"fold-{number}", outer.train, splits, number), outer.test))
    return jobs


def measure(dataset: Dataset, jobs: list[tuple[Job, Any]], way: Way) -> tuple[float, float]:
    """Mean loss and processor seconds per fold."""
    losses, start = [], time.process_time()
    for job, test in jobs:
        loss = float(dataset.task.row_losses(dataset.y[test], way(dataset, job, test)).mean())
        losses.append(loss if dataset.task.predicts_probabilities else loss**0.5 / float(dataset.y.std()))
    return float(np.mean(losses)), (time.process_time() - start) / len(jobs)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tables", nargs="*", default=list(TARGETS))
    parser.add_argument("--data", type=Path, default=os.environ.get("ANNVIL_DATA"))
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--inner", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--ablate", action="store_true")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    effort = Effort(candidates=asked.candidates, scale=asked.scale)
    ways = {
        "scikit-learn MLP": scikit_mlp,
        "scikit-learn boosting": scikit_boosting,
        "dense": network(DenseNetworks, effort),
        "ensemble": network(NetworkEnsemble, effort),
        "shared": network(SharedEnsembles, effort),
    }
    if asked.ablate:
        ways = {title: changed(change, asked.scale) for title, change in CHANGES.items()}
    print("| table | rows | " + " | ".join(f"{title} | s" for title in ways) + " |")
    print("|---|--:|" + "--:|--:|" * len(ways))
    for name in asked.tables:
        dataset = load(name, Path(asked.data or "."), asked.rows)
        jobs = jobs_of(dataset, asked.folds, asked.inner)
        cells = [measure(dataset, jobs, way) for way in ways.values()]
        print(f"| {name} | {dataset.n_rows} | " + " | ".join(f"{a:.4f} | {s:.1f}" for a, s in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
