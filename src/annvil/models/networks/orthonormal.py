"""Matrices in float64 whose columns are orthonormal, and 0 wherever their support is.

`annvil.training.optimizers.manifold` does the same while networks train, in float32 and without zeros.
"""

from __future__ import annotations

import numpy as np

from annvil.tasks.base import FloatArray, IntArray

MOST_DEFECT = 1e-9
"""Entries of ``W'W - I`` below which columns count as orthonormal in float64 (assumed; usually below 1e-14)."""


def defect(matrix: FloatArray) -> float:
    """The largest entry of ``W'W - I`` of ``(d, k)``; 0 without columns."""
    return float(np.abs(matrix.T @ matrix - np.eye(matrix.shape[1])).max(initial=0.0))


def leaving(matrix: FloatArray, places: IntArray) -> FloatArray:
    """Rows that are 0 on changes which keep columns orthonormal to first order: the entries of ``W'D + D'W``.

    Changes D are given at ``places (n, 2)``, pairs of column and row. Shape: ``(k (k + 1) / 2, n)``.
    """
    column, row = places.T
    first, second = np.triu_indices(matrix.shape[1])
    right = (column[None, :] == second[:, None]) * matrix[row][:, first].T
    left = (column[None, :] == first[:, None]) * matrix[row][:, second].T
    return np.asarray(right + left)


def retracted(matrix: FloatArray, turn: FloatArray, support: FloatArray) -> FloatArray:
    """The matrix turned by the tangent part of ``turn``, at most by a norm of 1, orthonormal and within its support."""
    inner = matrix.T @ turn
    turn = (turn - matrix @ (inner + inner.T) / 2) * support
    found = orthonormal(matrix + turn / max(float(np.linalg.norm(turn)), 1.0), support)
    return matrix if found is None else found


def orthonormal(matrix: FloatArray, support: FloatArray) -> FloatArray | None:
    """Near ``matrix (d, k)``, with orthonormal columns that are 0 where the ``support`` is; None if none is found.

    First the nearest without regard to zeros, then steps of Newton for ``W'W = I``, the smallest that solve it at the
    entries that may differ from 0.
    """
    matrix = matrix * support
    if not np.isfinite(matrix).all():
        return None
    if support.all():
        left, _, right = np.linalg.svd(matrix, full_matrices=False)
        return np.asarray(left @ right)
    norms = np.linalg.norm(matrix, axis=0)
    if not norms.all():
        return None
    matrix = matrix / norms
    places = np.argwhere(support.T > 0)
    upper = np.triu_indices(matrix.shape[1])
    for _ in range(30):
        error = (matrix.T @ matrix - np.eye(matrix.shape[1]))[upper]
        if np.abs(error).max() < 1e-14:
            break
        change = np.linalg.lstsq(leaving(matrix, places), -error, rcond=1e-10)[0]
        matrix[places[:, 1], places[:, 0]] += change
        if np.abs(matrix).max() > 2:
            return None
    return matrix if defect(matrix) <= MOST_DEFECT else None
