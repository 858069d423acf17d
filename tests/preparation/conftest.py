"""Tables for the tests of this room: ordinary training rows, and rows as hostile as raw rows get.

Fixtures hand out functions, since tests are not a package to import from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

from annvil.data.table import Table, table_from_columns
from annvil.onnx.builder import Graph
from annvil.preparation import Preparation
from annvil.tasks.base import Task
from annvil.tasks.union import make_task

BINARY = make_task("binary", "answer", ("no", "yes"))


def _training_rows(n_rows: int = 400, seed: int = 0) -> Table:
    """Numbers (one skewed, one constant, one nearly constant in float32), dates around 1970, five categories."""
    rng = np.random.default_rng(seed)

    def with_gaps(values: Any, share: float) -> Any:
        values = np.array(values, dtype=object if np.asarray(values).dtype.kind == "U" else np.float64)
        values[rng.random(n_rows) < share] = None if values.dtype == object else np.nan
        return values

    return table_from_columns(
        [
            ("age", "number", with_gaps(rng.normal(40, 10, n_rows), 0.2)),
            ("sex", "category", with_gaps(rng.choice(["m", "f"], n_rows), 0.05)),
            ("income", "number", np.exp(2 * rng.normal(size=n_rows))),
            ("when", "datetime", with_gaps(rng.uniform(-4e9, 4e9, n_rows), 0.1)),
            ("stamp", "number", 1.7e12 + rng.integers(0, 1000, n_rows)),
            ("same", "number", np.full(n_rows, 7.0)),
            ("colour", "category", with_gaps(rng.choice(["red", "green", "blue"], n_rows), 0.1)),
            ("city", "category", [f"city {int(k)}" for k in rng.exponential(8, n_rows)]),
            ("smoker", "boolean", rng.choice(["true", "false"], n_rows)),
            ("member", "boolean", rng.choice(["true", "false"], n_rows)),
        ]
    )


def _hostile_rows(n_rows: int, seed: int = 1) -> Table:
    """Rows of the same columns with missing, huge and infinite numbers, far dates, new and empty categories."""
    rng = np.random.default_rng(seed)
    extremes = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 1.7e308, 5e-324, 0.0, -0.0, 1e20, -3.5, 39.9])
    times = np.array([np.nan, np.inf, -np.inf, -1.0, -0.5, 0.0, 1e18, -1e18, -86400.0, 951782400.0, 86399.999999])

    def texts(known: list[str]) -> list[str]:
        return [str(text) for text in rng.choice([*known, "", "never seen", "ü", " red", "RED"], n_rows)]

    return table_from_columns(
        [
            ("age", "number", rng.choice(extremes, n_rows)),
            ("sex", "category", texts(["m", "f"])),
            ("income", "number", rng.choice(np.append(extremes, np.geomspace(0.01, 100, 30)), n_rows)),
            ("when", "datetime", rng.choice(np.append(times, rng.uniform(-4e9, 4e9, 20)), n_rows)),
            ("stamp", "number", rng.choice(np.append(extremes, 1.7e12 + np.arange(20.0)), n_rows)),
            ("same", "number", rng.choice(extremes, n_rows)),
            ("colour", "category", texts(["red", "green", "blue"])),
            ("city", "category", texts([f"city {k}" for k in range(30)])),
            ("smoker", "boolean", texts(["true", "false"])),
            ("member", "boolean", texts(["true", "false"])),
        ]
    )


def _answers(inputs: Table, seed: int = 0) -> np.ndarray[Any, Any]:
    """Random answers to `BINARY`."""
    return np.random.default_rng(seed).integers(0, 2, inputs.n_rows)


def _written(fitted: Preparation) -> onnxruntime.InferenceSession:
    """The preparation alone as a model with the outputs ``numbers_out`` and, with codes, ``codes_out``."""
    graph = Graph()
    n_numbers = sum(not field.is_text for field in fitted.schema)
    numbers = graph.input("numbers", "float64", ["rows", n_numbers])
    texts = graph.input("texts", "string", ["rows", len(fitted.schema) - n_numbers])
    prepared, codes = fitted.write(graph, numbers, texts)
    outputs = {"numbers_out": (prepared, "float32", ["rows", len(fitted.names)])}
    if codes is not None:
        outputs["codes_out"] = (codes, "int64", ["rows", len(fitted.cardinalities)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.finish(outputs), options, providers=["CPUExecutionProvider"])


def _assert_graph_agrees(fitted: Preparation, inputs: Table, session: Any = None) -> None:
    """Graph and NumPy give the same rows: codes exactly, numbers within 1e-6, NaN in the same places."""
    session = session or _written(fitted)
    expected = fitted.transform(inputs)
    feeds = {"numbers": inputs.numbers(), "texts": inputs.texts()}
    numbers, *codes = session.run(None, feeds)
    np.testing.assert_allclose(numbers, expected.numbers, rtol=1e-6, atol=1e-6)
    if codes:
        np.testing.assert_array_equal(codes[0], expected.codes)
    else:
        assert expected.codes.shape[1] == 0


@pytest.fixture
def training_rows() -> Callable[..., Table]:
    """(n_rows=400, seed=0) → ordinary rows."""
    return _training_rows


@pytest.fixture
def hostile_rows() -> Callable[..., Table]:
    """(n_rows, seed=1) → rows of the same columns, as bad as they come."""
    return _hostile_rows


@pytest.fixture
def answers() -> Callable[..., Any]:
    """(inputs, seed=0) → random answers to `task`."""
    return _answers


@pytest.fixture
def task() -> Task:
    """A question with two answers."""
    return BINARY


@pytest.fixture
def written() -> Callable[..., onnxruntime.InferenceSession]:
    """(fitted) → the preparation alone as a model."""
    return _written


@pytest.fixture
def assert_graph_agrees() -> Callable[..., None]:
    """(fitted, inputs, session=None): graph and NumPy give the same rows."""
    return _assert_graph_agrees
