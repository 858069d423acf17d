"""Small tables for the tests that every contender must pass."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.table import Table, table_from_columns
from annvil.kinds.base import Tiny
from annvil.tasks.base import FloatArray
from annvil.tasks.union import make_task


def tiny() -> Mapping[str, Tiny]:
    """Two classes, three, a number."""
    return {kind: Tiny(tiny_table(kind), strange_rows()) for kind in ("binary", "multiclass", "regression")}


def tiny_table(kind: str, n_rows: int = 90, seed: int = 0, *, holes: float = 0.1, n_noise: int = 0) -> Dataset:
    """Two useful numbers, a date, a useful category, a boolean; a tenth of all cells missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 2))
    colour = rng.choice(["red", "green", "blue"], size=n_rows)
    score = 2 * x[:, 0] - x[:, 1] + 1.5 * (colour == "red") + 0.3 * rng.normal(size=n_rows)
    hidden = rng.uniform(size=(n_rows, 5)) < holes
    day = rng.integers(0, 2000, size=n_rows) * 86400.0
    flag = np.where(x[:, 1] > 0, "true", "false")
    table = table_from_columns(
        [
            ("length", "number", np.where(hidden[:, 0], np.nan, x[:, 0])),
            ("price", "number", np.where(hidden[:, 1], np.nan, 1000 * np.exp(x[:, 1]))),
            ("when", "datetime", np.where(hidden[:, 2], np.nan, 1.5e9 + day)),
            ("colour", "category", np.where(hidden[:, 3], "", colour)),
            ("flag", "boolean", np.where(hidden[:, 4], "", flag)),
            *((f"noise {i}", "number", rng.normal(size=n_rows)) for i in range(n_noise)),
        ]
    )
    return _asked(table, kind, score)


def _asked(table: Table, kind: str, score: FloatArray) -> Dataset:
    rows = np.arange(len(score))
    if kind == "regression":
        return Dataset(table, 50.0 + 20.0 * score, make_task(kind, "y"), rows)
    if kind == "binary":
        return Dataset(table, (score > 0.5).astype(np.int64), make_task(kind, "y", ("no", "yes")), rows)
    classes = np.digitize(score, [-0.5, 1.5]).astype(np.int64)
    return Dataset(table, classes, make_task(kind, "y", ("low", "middle", "high")), rows)


def strange_rows() -> Table:
    """Unseen categories, missing values, and numbers far away."""
    return table_from_columns(
        [
            ("length", "number", [0.1, np.nan, 1e6, -1e6, 0.0]),
            ("price", "number", [1000.0, np.nan, 1e-9, 1e12, 900.0]),
            ("when", "datetime", [1.5e9, np.nan, 0.0, 4e9, 1.6e9]),
            ("colour", "category", ["purple", "", "red", "blue", "Red "]),
            ("flag", "boolean", ["true", "", "maybe", "false", "true"]),
        ]
    )
