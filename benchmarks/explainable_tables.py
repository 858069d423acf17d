"""Readable models on real tables, in one process under the same splits: ours, EBM, a linear model, boosted trees.

    ANNVIL_DATA=<folder with catalogue.json and tables/> python benchmarks/explainable_tables.py [--tables NAME ...]
        [--splits 3] [--threads 1] [--rows 8000] [--bags 4] [--models NAME ...] [--json FILE]

EBM is that of `interpret` (extra ``bench``; left out where it is not installed). All get the same frame; a quarter of
the rows is the test part of each split, and everything else is the model's own business. Seconds are processor time.
``--rows`` bounds the training rows of all models, ``--bags`` the outer bags of EBM (14 by default), so that all end.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

TABLES = ("adult", "telco_churn", "car_price", "titanic", "heart_cleveland", "california_housing", "bike_hour")


def models(classes: bool, threads: int, bags: int | None) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Names, and what makes a model with ``fit`` and ``predict`` or ``predict_proba``."""
    import annvil

    yield "additive network", annvil.AdditiveClassifier if classes else annvil.AdditiveRegressor
    try:
        from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

        boosting = ExplainableBoostingClassifier if classes else ExplainableBoostingRegressor
        yield "EBM", lambda: boosting(n_jobs=threads, **({} if bags is None else {"outer_bags": bags}))
    except ImportError:
        print("interpret is not installed: no EBM")
    yield "linear", lambda: linear(classes)
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    trees = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    yield "boosted trees", lambda: trees(categorical_features="from_dtype", random_state=0)


def linear(classes: bool) -> Any:
    """Standardised numbers with medians and indicators, one-hot categories, the penalty by cross-validation."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    levels = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=3, max_categories=100)
    parts = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (levels, make_column_selector(dtype_include="category")),
    )
    model = LogisticRegressionCV(max_iter=300) if classes else RidgeCV(np.logspace(-2, 4, 13))
    return make_pipeline(parts, model)


def frame_of(dataset: Any) -> Any:
    """The inputs as pandas has them; categories with few levels as such, others as their most frequent ones."""
    import pandas as pd

    columns = {}
    for column in dataset.inputs.columns:
        if not column.field.is_text:
            columns[column.name] = column.values
            continue
        texts = pd.Series(column.texts()).replace("", None)
        known = texts.value_counts().index[:250]  # what boosted trees take at most
        columns[column.name] = texts.where(texts.isin(known) | texts.isna(), "other").astype("category")
    return pd.DataFrame(columns)


def score(dataset: Any, rows: Any, model: Any, frame: Any) -> float:
    """ROC AUC of two classes, R² of numbers."""
    from sklearn.metrics import r2_score, roc_auc_score

    if dataset.task.predicts_probabilities:
        return float(roc_auc_score(dataset.y[rows], model.predict_proba(frame)[:, 1]))
    return float(r2_score(dataset.y[rows], model.predict(frame)))


def measured(name: str, data: Path, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """A line for each model and split of a table."""
    import annvil

    known = json.loads((data / "catalogue.json").read_text())["datasets"]
    target = next(one["target"] for one in known if one["name"] == name)
    dataset = annvil.read(data / "tables" / f"{name}.csv", target=target)
    frame, found = frame_of(dataset), []
    for split in range(asked.splits):
        order = np.random.default_rng(1000 + split).permutation(dataset.n_rows)
        test, train = np.sort(order[: len(order) // 4]), np.sort(order[len(order) // 4 :][: asked.rows])
        for title, make in models(dataset.task.predicts_probabilities, asked.threads, asked.bags):
            if asked.models and title not in asked.models:
                continue
            model, began, wall = make(), time.process_time(), time.perf_counter()
            model.fit(frame.iloc[train], dataset.y[train])
            line = {"table": name, "split": split, "model": title, "cpu_seconds": time.process_time() - began}
            line |= {"seconds": time.perf_counter() - wall, "score": score(dataset, test, model, frame.iloc[test])}
            found.append(line)
            print(f"{name:20} {split} {title:18} {line['score']:.4f} {line['cpu_seconds']:8.1f} s", flush=True)
    return found


def summary(lines: list[dict[str, Any]]) -> str:
    """Means over the splits: score and seconds of every model, and ours beside EBM and the linear model."""
    told = [
        "| table | " + " | ".join(title for title in dict.fromkeys(one["model"] for one in lines)) + " | ours − EBM |"
    ]
    told.append("|---" * (told[0].count("|") - 1) + "|")
    for table in dict.fromkeys(one["table"] for one in lines):
        cells, means = [], {}
        for title in dict.fromkeys(one["model"] for one in lines):
            own = [one for one in lines if one["table"] == table and one["model"] == title]
            means[title] = float(np.mean([one["score"] for one in own]))
            cells.append(f"{means[title]:.4f} ({np.mean([one['cpu_seconds'] for one in own]):.1f} s)")
        difference = (
            f"{means['additive network'] - means['EBM']:+.4f}" if {"EBM", "additive network"} <= set(means) else "–"
        )
        told.append(f"| {table} | " + " | ".join(cells) + f" | {difference} |")
    return "\n".join(told)


def main() -> None:
    """Measure the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="*", default=list(TABLES))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, help="training rows of every model, at most")
    parser.add_argument("--bags", type=int, help="outer bags of EBM")
    parser.add_argument("--models", nargs="*", help="only these, by their titles")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(asked.threads)
    import torch

    torch.set_num_threads(asked.threads)
    warnings.simplefilter("ignore")  # peers may say that they stopped before they converged
    data = Path(os.environ["ANNVIL_DATA"])
    lines = [line for name in asked.tables for line in measured(name, data, asked)]
    print(summary(lines))
    if asked.json is not None:
        asked.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
