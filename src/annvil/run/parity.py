"""Whether what ships says what was judged: the graph as the model in memory, and step by step as of the whole."""

from __future__ import annotations

import numpy as np

from annvil.bundle import Predictor
from annvil.comparison.cost import parity_rows
from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.models.members import Fitted
from annvil.models.stepping import Stepper
from annvil.run.official_test import n_tested

PARITY_ROWS = 10_000
TOLERANCE = 1e-4
"""Largest difference between graph and memory that may ship (assumed): float32 in another order gives 1e-6."""

STEP_TOLERANCE = 1e-5
"""Largest difference between what is said step by step and of the whole with which steps may ship (as promised)."""

STREAMED = 16
"""Rows whose beginnings are compared so (assumed)."""


def measure_parity(fitted: Fitted, predictor: Predictor, dataset: Dataset[Inputs]) -> tuple[float, int]:
    """Largest |graph - memory| over up to 10 000 rows, and how many rows; a tenth of their values are made missing.

    Relative to the spread of the target for regression, absolute for probabilities.
    """
    random = np.random.default_rng(0)
    rows = np.sort(random.permutation(dataset.n_rows)[: _checked_rows(dataset)])
    inputs = dataset.inputs.take(rows).with_holes(0.1, random)
    difference = np.abs(predictor.raw(inputs) - fitted.predict(inputs))
    scale = dataset.task.scale(dataset.y)
    parity = float(difference.max(initial=0.0)) / scale
    if not parity <= TOLERANCE:
        raise RuntimeError(f"The exported graph differs from the model in memory by {parity:.2g}; it was not shipped.")
    return parity, len(rows)


def _checked_rows(dataset: Dataset[Inputs]) -> int:
    return min(dataset.n_rows, parity_rows(dataset.inputs.n_values, PARITY_ROWS))


def rows_after(dataset: Dataset[Inputs]) -> int:
    """Rows that are predicted once a model is fitted: twice for its check, and on the source's own test."""
    return 2 * _checked_rows(dataset) + n_tested(dataset)


def step_difference(stepper: Stepper, predictor: Predictor, dataset: Dataset[Inputs]) -> float:
    """Largest difference, as of `measure_parity`, between the graph of a step, called for the first steps of some rows
    one after another, and the graph of whole rows, given these steps at once."""
    rows = np.sort(np.random.default_rng(0).permutation(dataset.n_rows)[:STREAMED])
    inputs, moments = stepper.beginnings(dataset.inputs.take(rows))
    stream = predictor.stream(len(rows))
    for values in moments.swapaxes(0, 1):
        outputs = stream.step(values)
    return float(np.abs(outputs - predictor.raw(inputs)).max()) / dataset.task.scale(dataset.y)
