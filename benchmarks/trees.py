"""Which library grows Annvil's boosted trees? Score and time on real tables, same folds, same number of candidates.

    python benchmarks/trees.py --data FOLDER [--rows 2000] [--candidates 4] [--folds 3] [TABLE …]

Prints a Markdown table (log-loss, or root mean squared error over the target's standard deviation; mean ± standard
deviation over outer folds; processor seconds per outer fold on one thread). Every library gets the columns of
`TreePreparation`, five inner folds, early stopping on them, calibration, and averages the five members of its best
candidate. References: scikit-learn and CatBoost at their defaults, one fit each; CatBoost with its own categories.
FOLDER holds tables/NAME.csv (ANNVIL_DATA can name it too); the targets are named below. Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from annvil.data.splits import Split, inner_splits, outer_splits
from annvil.kinds.registry import read
from annvil.models.jobs import Context, Effort, Job, PreparationOptions
from annvil.models.selection import Candidate, best_of, try_candidates
from annvil.models.trees import BoostedTrees
from annvil.models.trees_growth import GROWTHS, PATIENCE, ROUNDS, Growth
from annvil.preparation import TreePreparation

TARGETS = {
    "titanic": "Survived",
    "german_credit": "class",
    "phoneme": "oral",
    "telco_churn": "Churn",
    "adult": "income",
    "online_shoppers": "Revenue",
    "mammography": "microcalcification",
    "compas": "two_year_recid",
    "concrete": "strength",
    "kin8nm": "distance",
    "california_housing": "median_house_value",
    "diamonds": "price",
    "wine_quality": "quality",
    "bike_hour": "cnt",
    "car_price": "msrp",
}

Outputs = np.ndarray
FitInner = Callable[[Growth, bool, Any, Any, Any, Any, int], Callable[[Any], Outputs]]


@dataclass(frozen=True)
class Way:
    """One way to fit an outer fold: outputs for the test rows."""

    title: str
    fit: Callable[[Any, Job, Any, int], Outputs]


def annvil_trees(dataset: Any, job: Job, test: Any, candidates: int) -> Outputs:
    """Annvil's contender as it is, but for class weights: the others try none either."""
    effort = Effort(candidates=candidates, options=PreparationOptions(imbalance="none"))
    (fitted,) = BoostedTrees().fit(dataset, [job], effort, Context(threads=1))
    return fitted.predict(dataset.inputs.take(test))


def bagged(fit_inner: FitInner) -> Callable[[Any, Job, Any, int], Outputs]:
    """The same search with another library growing the trees."""

    def fit(dataset: Any, job: Job, test: Any, candidates: int) -> Outputs:
        classes = dataset.task.predicts_probabilities
        prepared = []
        for number, split in enumerate(job.inner):
            inputs, y = dataset.inputs.take(split.train), dataset.y[split.train]
            preparation, train = TreePreparation.fit_transform(inputs, y=y, task=dataset.task, seed=number)
            prepared.append(
                (preparation, train.numbers, preparation.transform(dataset.inputs.take(split.test)).numbers)
            )

        def fit_split(candidate: Candidate, number: int) -> tuple[Any, Outputs]:
            split, (preparation, train, held) = job.inner[number], prepared[number]
            growth = Growth(**candidate.configuration)
            y = dataset.y
            predict = fit_inner(growth, classes, train, y[split.train], held, y[split.test], number)
            return (preparation, predict), as_outputs(predict(held), classes)

        tried = [Candidate(vars(growth), growth.describe()) for growth in GROWTHS[:candidates]]
        trials, members = try_candidates(dataset, job, tried, fit_split, Context().begin())
        rows = dataset.inputs.take(test)
        outputs = np.mean(
            [as_outputs(predict(prep.transform(rows).numbers), classes) for prep, predict in members], axis=0
        )
        calibration = best_of(trials).calibration
        return outputs if calibration is None else calibration.apply(outputs)

    return fit


def lightgbm_inner(growth: Growth, classes: bool, x: Any, y: Any, x_held: Any, y_held: Any, seed: int) -> Any:
    """LightGBM with the growth translated name by name."""
    import lightgbm

    n_classes = len(np.unique(y)) if classes else 1
    objective = "regression" if not classes else "binary" if n_classes == 2 else "multiclass"
    settings = {
        "objective": objective,
        "learning_rate": growth.learning_rate,
        "num_leaves": growth.leaves,
        "min_data_in_leaf": growth.min_leaf,
        "lambda_l2": growth.l2,
        "feature_fraction_bynode": growth.features,
        "seed": seed,
        "num_threads": 1,
        "verbosity": -1,
    }
    if n_classes > 2:
        settings["num_class"] = n_classes
    train = lightgbm.Dataset(x, y)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    return lightgbm.train(settings, train, ROUNDS, [train.create_valid(x_held, y_held)], callbacks=[stop]).predict


def catboost_inner(growth: Growth, classes: bool, x: Any, y: Any, x_held: Any, y_held: Any, seed: int) -> Any:
    """CatBoost with the nearest depth; its trees are symmetric, so rows per leaf have no meaning."""
    import catboost

    kind = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
    model = kind(
        iterations=ROUNDS,
        learning_rate=growth.learning_rate,
        depth=max(2, round(np.log2(growth.leaves))),
        l2_leaf_reg=max(growth.l2, 1e-3),
        rsm=growth.features,
        od_type="Iter",
        od_wait=PATIENCE,
        **catboost_settings(seed),
    )
    model.fit(x, y, eval_set=(x_held, y_held))
    return model.predict_proba if classes else model.predict


def scikit_default(dataset: Any, job: Job, test: Any, candidates: int) -> Outputs:
    """scikit-learn's histogram gradient boosting, nothing changed."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    inputs, y, task = dataset.inputs.take(job.rows), dataset.y[job.rows], dataset.task
    preparation, train = TreePreparation.fit_transform(inputs, y=y, task=task, seed=0)
    kind = HistGradientBoostingClassifier if task.predicts_probabilities else HistGradientBoostingRegressor
    model = kind(random_state=0).fit(train.numbers, y)
    rows = preparation.transform(dataset.inputs.take(test)).numbers
    classes = task.predicts_probabilities
    return as_outputs(model.predict_proba(rows) if classes else model.predict(rows), classes)


def catboost_default(dataset: Any, job: Job, test: Any, candidates: int) -> Outputs:
    """CatBoost, nothing changed: raw columns, its own treatment of categories."""
    import catboost
    import pandas

    def pool(rows: Any) -> Any:
        inputs = dataset.inputs.take(rows)
        columns = {
            c.name: c.texts().astype(str) if c.field.is_text else c.values.astype(np.float64) for c in inputs.columns
        }
        texts = [c.name for c in inputs.columns if c.field.is_text]
        return pandas.DataFrame(columns), texts

    kind = catboost.CatBoostClassifier if dataset.task.predicts_probabilities else catboost.CatBoostRegressor
    train, texts = pool(job.rows)
    model = kind(**catboost_settings(0)).fit(train, dataset.y[job.rows], cat_features=texts)
    rows, _ = pool(test)
    classes = dataset.task.predicts_probabilities
    return as_outputs(model.predict_proba(rows) if classes else model.predict(rows), classes)


def catboost_settings(seed: int) -> dict[str, Any]:
    """One thread, no files, no words."""
    return {"random_seed": seed, "thread_count": 1, "verbose": False, "allow_writing_files": False}


def as_outputs(values: Any, classes: bool) -> Outputs:
    """One column per class (LightGBM gives one for two classes), one for numbers."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 2:
        return values
    return np.stack([1 - values, values], axis=1) if classes else values[:, None]


WAYS = (
    Way("scikit-learn default", scikit_default),
    Way("Annvil (scikit-learn)", annvil_trees),
    Way("LightGBM", bagged(lightgbm_inner)),
    Way("CatBoost", bagged(catboost_inner)),
    Way("CatBoost default", catboost_default),
)


def main() -> None:
    """Read, race, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", default=list(TARGETS), help="names of tables, all by default")
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("ANNVIL_DATA"), help="folder that holds tables/*.csv"
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--folds", type=int, default=3)
    options = parser.parse_args()
    if options.data is None:
        parser.error("say where the tables are: --data FOLDER or ANNVIL_DATA")
    print("| table | " + " | ".join(f"{way.title} | s" for way in WAYS) + " |")
    print("|---|" + "--:|--:|" * len(WAYS))
    for name in options.tables:
        print(race(name, options), flush=True)


def race(name: str, options: argparse.Namespace) -> str:
    """One line of the table."""
    dataset = read(options.data / "tables" / f"{name}.csv", target=TARGETS[name])
    rows = np.random.default_rng(0).permutation(dataset.n_rows)[: options.rows]
    dataset = dataset.take(np.sort(rows))
    (splits,) = outer_splits(dataset, options.folds, 1, 0)
    cells = []
    for way in WAYS:
        losses, seconds = [], []
        for outer in splits:
            inner = inner_splits(dataset, outer.train, 5, 0)
            job = Job("benchmark", outer.train, tuple(Split(rows.train, rows.test) for rows in inner), 0)
            start = time.process_time()
            outputs = way.fit(dataset, job, outer.test, options.candidates)
            seconds.append(time.process_time() - start)
            losses.append(loss(dataset, outer.test, outputs))
        cells.append(f"{np.mean(losses):.4f} ± {np.std(losses):.4f} | {np.mean(seconds):.1f}")
    return f"| {name} | " + " | ".join(cells) + " |"


def loss(dataset: Any, test: Any, outputs: Outputs) -> float:
    """Log-loss, or root mean squared error over the standard deviation of the target."""
    mean = float(dataset.task.row_losses(dataset.y[test], outputs).mean())
    return mean if dataset.task.predicts_probabilities else float(np.sqrt(mean) / np.std(dataset.y))


if __name__ == "__main__":
    main()
