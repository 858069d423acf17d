"""Directions that rows show without any training: the linear one, and those along which residuals are bent."""

from __future__ import annotations

import numpy as np

from annvil.models.networks.ridge_functions import Rows
from annvil.tasks.base import FloatArray

RIDGE = 1e-2
"""Of standardised numbers, as a share of their variance (assumed): enough for columns that repeat each other."""


def shown_directions(rows: Rows, k: int) -> FloatArray:
    """Orthonormal directions as columns ``(d, k)``, at most ``d``: where fits begin that are not trained.

    The first is that of a linear least squares fit beside the offsets. The others are principal Hessian directions of
    its residuals (Li 1992, JASA 87: 1025-1039): where the mean of ``residual x x'`` is largest in amount, beside the
    covariance of the rows. Functions that are odd about the mean leave nothing there, so these are first guesses.
    """
    x, weights = rows.x - np.average(rows.x, axis=0, weights=rows.weights), rows.weights / rows.weights.sum()
    everything = np.concatenate([x, rows.others, np.ones((len(x), 1))], axis=1)
    covariance = (everything * weights[:, None]).T @ everything
    centred = rows.y - weights @ rows.y
    ridge = RIDGE * np.diag(np.maximum(np.diag(covariance), 1e-6))
    coefficients = np.linalg.solve(covariance + ridge, everything.T @ (weights * centred))
    d = x.shape[1]
    residuals = centred - everything @ coefficients
    bends = (x * (weights * residuals)[:, None]).T @ x
    root = np.linalg.cholesky(covariance[:d, :d] + ridge[:d, :d])
    whitened = np.linalg.solve(root, np.linalg.solve(root, bends).T)
    values, vectors = np.linalg.eigh((whitened + whitened.T) / 2)
    bent = np.linalg.solve(root.T, vectors[:, np.argsort(-np.abs(values), kind="stable")])
    line = coefficients[:d, None]
    columns = np.concatenate([line if np.abs(line).max() > 1e-12 else bent[:, :0], bent], axis=1)
    chosen: list[FloatArray] = []
    for column in (columns / np.linalg.norm(columns, axis=0)).T:
        for _ in range(2):  # the second time for what rounding left
            for other in chosen:
                column = column - other * float(other @ column)
        length = float(np.linalg.norm(column))
        if length > 1e-3 and len(chosen) < k:
            chosen.append(column / length)
    return np.stack(chosen, axis=1)
