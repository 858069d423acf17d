"""Scores of transcriptions: truth int64 and outputs float64 ``(n_rows, most)``, codes of words, padded with -1.

Words of what was said are set against those that were heard, so that as few as possible are taken for others, missed or
added (Levenshtein 1966; word error rate as the field counts it, NIST ``sclite``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Decision, FloatArray, IntArray, Targets

NOTHING = -1
"""The code behind the last word of a row."""


def codes_of(outputs: NDArray[Any]) -> IntArray:
    """Outputs as codes, int64 ``(n_rows, most)``, the words of each row in front; what is no number is no word."""
    codes = np.where(np.isfinite(outputs), np.rint(np.where(np.isfinite(outputs), outputs, NOTHING)), NOTHING)
    codes = np.maximum(codes, NOTHING).astype(np.int64)
    order = np.argsort(codes == NOTHING, axis=1, kind="stable")
    return np.asarray(np.take_along_axis(codes, order, axis=1))


def word_counts(codes: IntArray) -> IntArray:
    """Words of each row ``(n_rows,)``."""
    return np.asarray((codes != NOTHING).sum(axis=1))


def word_errors(y: IntArray, outputs: NDArray[Any]) -> IntArray:
    """Fewest words of each row that are taken for others, missed or added, int64 ``(n_rows,)``; all rows together.

    >>> word_errors(np.array([[3, 5, 7, -1]]), np.array([[3.0, 9.0, 7.0, 7.0]])).tolist()  # 5 as 9, and 7 twice
    [2]
    """
    said, heard = codes_of(y), codes_of(outputs)
    n, most = heard.shape
    lengths, others = word_counts(said), word_counts(heard)
    errors = others.copy()  # of rows without a word: all that was heard is added
    row = np.tile(np.arange(most + 1), (n, 1))
    for i in range(said.shape[1]):
        below = np.empty_like(row)
        below[:, 0] = i + 1
        for j in range(most):
            taken = row[:, j] + (said[:, i] != heard[:, j])
            below[:, j + 1] = np.minimum(taken, np.minimum(row[:, j + 1], below[:, j]) + 1)
        row = below
        ends = lengths == i + 1
        errors[ends] = row[ends, others[ends]]
    return errors


def aligned(said: IntArray, heard: IntArray) -> list[tuple[int, int]]:
    """Codes of one row's words, those said beside those heard, `NOTHING` where there is no counterpart.

    Of equally good ways the one that pairs words from the end on.

    >>> aligned(np.array([3, 5, 7]), np.array([3, 7, 7, 1]))
    [(3, 3), (5, 7), (7, 7), (-1, 1)]
    """
    said, heard = (one[one != NOTHING] for one in (said, heard))
    cost = np.add.outer(np.arange(len(said) + 1), np.arange(len(heard) + 1))
    for i in range(1, len(said) + 1):
        for j in range(1, len(heard) + 1):
            taken = cost[i - 1, j - 1] + (said[i - 1] != heard[j - 1])
            cost[i, j] = min(taken, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    pairs, i, j = [], len(said), len(heard)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (said[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((int(said[i]), int(heard[j])))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((int(said[i]), NOTHING))
        else:
            j -= 1
            pairs.append((NOTHING, int(heard[j])))
    return pairs[::-1]


def _word_error_rate(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """Errors of all rows divided by words of all rows, or by 1 where there is no word."""
    return float(word_errors(targets.y, outputs).sum() / max(1, word_counts(codes_of(targets.y)).sum()))


def _sentence_accuracy(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    return float(np.mean(word_errors(targets.y, outputs) == 0))


TRANSCRIPTION_METRICS = (
    Metric(
        "word_error_rate",
        "word error rate",
        False,
        "Words that are taken for others, missed or added, divided by the words that were said: 0 is without error, "
        "and it can be more than 1.",
        _word_error_rate,
    ),
    Metric("sentence_accuracy", "sentence accuracy", True, "Share of rows without any wrong word.", _sentence_accuracy),
)
