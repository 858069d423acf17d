"""One tool on one table, in any environment that has it: ``tables.py TOOL train.csv test.csv TARGET KIND SECONDS``.

Prints a line of JSON: seconds of fitting, and the predictions of the test rows (probabilities by class, or numbers).
Needs the tool and pandas, nothing of Annvil: the tools pin versions that do not live beside ours. ``SECONDS`` is the
budget of those that take one; CatBoost, LightGBM and scikit-learn run at their defaults.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

THREADS = 2
Predicted = tuple[Any, Any]
"""Classes and probabilities ``(rows, classes)`` in their order; ``None`` and numbers ``(rows,)`` of a regression."""


def autogluon(train: pd.DataFrame, test: pd.DataFrame, target: str, kind: str, seconds: float) -> Predicted:
    """AutoGluon, "medium" quality."""
    from autogluon.tabular import TabularPredictor

    problem = "regression" if kind == "number" else None
    metric = "root_mean_squared_error" if kind == "number" else "log_loss"
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor(target, problem_type=problem, eval_metric=metric, path=folder, verbosity=0)
        predictor.fit(train, presets="medium_quality", time_limit=seconds, num_cpus=THREADS, num_gpus=0)
        if kind == "number":
            return None, predictor.predict(test).to_numpy()
        probabilities = predictor.predict_proba(test)
        return list(probabilities.columns), probabilities.to_numpy()


def flaml(train: pd.DataFrame, test: pd.DataFrame, target: str, kind: str, seconds: float) -> Predicted:
    """FLAML with its own choice of learners and of validation."""
    from flaml import AutoML

    automl = AutoML()
    task, metric = ("regression", "rmse") if kind == "number" else ("classification", "log_loss")
    x, y = train.drop(columns=target), train[target]
    automl.fit(x, y, task=task, metric=metric, time_budget=seconds, n_jobs=THREADS, verbose=0, seed=0)
    if kind == "number":
        return None, automl.predict(test)
    return list(automl.classes_), automl.predict_proba(test)


def catboost(train: pd.DataFrame, test: pd.DataFrame, target: str, kind: str, seconds: float) -> Predicted:
    """CatBoost at its defaults, texts as its categories."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    x, rows = train.drop(columns=target), test.copy()
    texts = [name for name in x if not pd.api.types.is_numeric_dtype(x[name])]
    for frame in (x, rows):
        frame[texts] = frame[texts].astype("string").fillna("missing").astype(object)
    settings = {"cat_features": texts, "verbose": 0, "thread_count": THREADS, "allow_writing_files": False}
    if kind == "number":
        return None, CatBoostRegressor(**settings).fit(x, train[target]).predict(rows)
    model = CatBoostClassifier(**settings).fit(x, train[target].astype(str))
    return list(model.classes_), model.predict_proba(rows)


def lightgbm(train: pd.DataFrame, test: pd.DataFrame, target: str, kind: str, seconds: float) -> Predicted:
    """LightGBM at its defaults, texts as its categories."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    x, rows = train.drop(columns=target), test.copy()
    for name in [name for name in x if not pd.api.types.is_numeric_dtype(x[name])]:
        x[name] = x[name].astype("category")
        rows[name] = rows[name].astype(x[name].dtype)
    settings: dict[str, Any] = {"n_jobs": THREADS, "verbose": -1}
    if kind == "number":
        return None, LGBMRegressor(**settings).fit(x, train[target]).predict(rows)
    model = LGBMClassifier(**settings).fit(x, train[target])
    return list(model.classes_), model.predict_proba(rows)


def realmlp(train: pd.DataFrame, test: pd.DataFrame, target: str, kind: str, seconds: float) -> Predicted:
    """RealMLP-TD, a bag over eight folds as its authors advise where time allows, cut at the budget."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    x, rows = train.drop(columns=target), test.copy()
    settings = {"device": "cpu", "n_threads": THREADS, "n_cv": 8, "random_state": 0, "time_limit_s": seconds}
    texts = [name for name in x if not pd.api.types.is_numeric_dtype(x[name])]
    for frame in (x, rows):
        numbers = [name for name in x if name not in texts]
        frame[numbers] = frame[numbers].fillna(x[numbers].median())
        frame[texts] = frame[texts].astype("string").fillna("missing").astype(object)
    if kind == "number":
        return None, RealMLP_TD_Regressor(**settings).fit(x, train[target], cat_col_names=texts).predict(rows)
    settings["val_metric_name"] = "cross_entropy"
    model = RealMLP_TD_Classifier(**settings).fit(x, train[target], cat_col_names=texts)
    return list(model.classes_), model.predict_proba(rows)


TOOLS: dict[str, Callable[..., Predicted]] = {
    "autogluon": autogluon,
    "flaml": flaml,
    "realmlp": realmlp,
    "catboost": catboost,
    "lightgbm": lightgbm,
}


def main() -> None:
    """Fit and print."""
    tool, train_path, test_path, target, kind, seconds = sys.argv[1:]
    train = pd.read_csv(train_path)
    test = pd.read_csv(test_path).drop(columns=target)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classes, outputs = TOOLS[tool](train, test, target, kind, float(seconds))
    taken = time.perf_counter() - started
    labels = None if classes is None else [str(name) for name in classes]
    print(json.dumps({"seconds": taken, "classes": labels, "outputs": np.asarray(outputs, float).ravel().tolist()}))


if __name__ == "__main__":
    main()
