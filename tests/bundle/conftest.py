"""A model small enough to work out by hand, and the files it is saved in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annvil.bundle import export, save
from annvil.data.table import Field, Table, table_from_columns
from annvil.graph import ML, Graph, Value
from annvil.task import Task

SCHEMA = (Field("age", "number"), Field("city", "category"), Field("income", "number"))
TASK = Task("binary", "buys", ("no", "yes"), "two labels")


class Logistic:
    """p(yes) = sigmoid(0.1 age + 0.5 [Oslo] - 0.5 [Bergen] - 2); a missing age counts as 30, income is not used."""

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        age = graph.columns(numbers, [0])
        age = graph.op("Where", graph.op("IsNaN", age), graph.constant(np.float64(30)), age)
        city = graph.op(
            "LabelEncoder",
            graph.columns(texts, [0]),
            domain=ML,
            keys_strings=["Oslo", "Bergen"],
            values_floats=[0.5, -0.5],
            default_float=0.0,
        )
        logit = graph.op(
            "Sum", graph.op("Mul", age, graph.constant(0.1)), graph.cast(city, "float64"), graph.constant(-2.0)
        )
        yes = graph.op("Sigmoid", logit)
        return graph.concat([graph.op("Sub", graph.constant(1.0), yes), yes])


def by_hand(ages: list[float], cities: list[str | None]) -> np.ndarray:
    """What `Logistic` should say."""
    age = np.where(np.isnan(ages), 30.0, ages)
    logit = 0.1 * age + np.array([{"Oslo": 0.5, "Bergen": -0.5}.get(city or "", 0.0) for city in cities]) - 2
    yes = 1 / (1 + np.exp(-logit))
    return np.stack([1 - yes, yes], axis=1)


def rows() -> Table:
    """Five rows with everything that can happen: missing number, missing, known and unknown category."""
    return table_from_columns(
        [
            ("age", "number", [20, 50, float("nan"), 10, 25]),
            ("city", "category", ["Oslo", "Bergen", None, "Tromsø", "Oslo"]),
            ("income", "number", [1.0, 2.0, 3.0, 4.0, 5.0]),
        ]
    )


EXPECTED = by_hand([20, 50, float("nan"), 10, 25], ["Oslo", "Bergen", None, "Tromsø", "Oslo"])

INFO = {
    "contender": "linear",
    "title": "Logistic regression",
    "summary": "weight decay 0.1",
    "preparation": ["Missing ages became 30."],
    "data": {"name": "buyers.csv", "sha256": "ab" * 32, "n_bytes": 1234, "n_rows": 500, "n_columns": 4},
    "metric": "roc_auc",
    "scores": {"roc_auc": 0.91, "log_loss": 0.3},
    "spreads": {"roc_auc": 0.02, "log_loss": float("nan")},
    "parity": 1e-9,
    "parity_rows": 500,
}


@dataclass(frozen=True)
class Example:
    """The small model with everything a test needs of it."""

    graph: bytes
    weights: dict[str, np.ndarray]
    rows: Table
    expected: np.ndarray
    schema: tuple[Field, ...] = SCHEMA
    task: Task = TASK

    def save(self, path: Path, **changes: Any) -> Path:
        """Save it, with some arguments changed."""
        described = {"schema": self.schema, "task": self.task, "info": INFO, "weights": self.weights, **changes}
        return save(path, described.pop("graph", self.graph), **described)


@pytest.fixture(scope="session")
def example() -> Example:
    weights = {"members/0/weight": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}
    return Example(export(Logistic(), SCHEMA, TASK), weights, rows(), EXPECTED)


@pytest.fixture(params=["model", "model.zip"])
def saved(request: pytest.FixtureRequest, tmp_path: Path, example: Example) -> Path:
    """The example on disk, once as a folder and once as a zip file."""
    return example.save(tmp_path / request.param)
