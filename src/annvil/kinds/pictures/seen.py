"""What a model's training pictures were like, in nine simple statistics, and how far from them others are.

Each statistic becomes a normal score by the quantiles of the training pictures, so that outliers among these do not
make everything usual (beyond the outer quantiles the score goes on in a straight line); then a picture is as far away
as Mahalanobis' distance says. What is too far is learnt from pictures that the distance did not learn from.

Measured on two sets of digits, two of clothes and one of brain scans, 100 to 1,000 training pictures each: 0.0% to 1.4%
of pictures held out are told of. Of the other sets' pictures 88% to 100% are found in most pairs, scans among digits
always; least are digits (1% to 8%) and scans (34% to 66%) among clothes on a plain ground, and clothes among 200 scans
(15%). From 100 varied photographs too little is learnt to find more than blank pictures. Pictures upside down are not
found: nothing here knows shapes. Distances of thumbnails of 8 × 8 found less (scans among digits: 20%).
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import FloatArray

STATISTICS = (
    "brightness",
    "contrast",
    "edges across",
    "edges down",
    "fine detail",
    "plain areas",
    "brightness of the border",
    "contrast of the border",
    "colour",
)

SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""The quantiles that are kept (assumed)."""

FEWEST, MOST = 100, 1_000
"""Training pictures from which the distance is learnt (assumed): none is where there are fewer."""

MOST_VALUES = 1 << 23
"""Values of all of them together (assumed: half a second)."""

SELDOM, MARGIN = 0.99, 1.25
"""A picture is told of whose squared distance is beyond that quantile of pictures held out by that factor."""

LEAST = 22.0
"""No squared distance below this is told of: of nine independent normal scores 1 in 100 has it (chi-squared)."""

FINEST = 0.01
"""Quantiles differ by this at least, so that a statistic all training pictures agree in has a scale (assumed)."""

RIDGE = 0.05
"""Added to the variances of the scores, which are about 1: statistics that always agree may differ a little."""

SLOWEST = 0.25
"""Beyond the outer quantiles a score grows at least at this share of the pace between the middle and them."""

_SCORES = np.array([NormalDist().inv_cdf(share) for share in SHARES])

Number = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]


class SeenPictures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What training pictures were like.

    Attributes
    ----------
    quantiles : of each of `STATISTICS` at `SHARES`, increasing
    mean, precision : of the scores: mean ``(n_statistics,)`` and inverse covariance, row by row
    farthest : squared distance from which a picture is told of
    """

    quantiles: tuple[tuple[Number, ...], ...]
    mean: tuple[Number, ...]
    precision: tuple[tuple[Number, ...], ...]
    farthest: Annotated[float, msgspec.Meta(gt=0, le=1e12)]

    @property
    def fits(self) -> bool:
        """Whether all sizes are right, and quantiles increase."""
        n = len(STATISTICS)
        return (
            len(self.quantiles) == len(self.mean) == len(self.precision) == n
            and all(len(row) == n for row in self.precision)
            and all(len(row) == len(SHARES) and np.all(np.diff(row) > 0) for row in self.quantiles)
        )

    def scores(self, statistics: FloatArray) -> FloatArray:
        """Normal scores of statistics ``(n, n_statistics)``, less their mean."""
        return np.asarray(_scores(statistics, np.array(self.quantiles)) - np.array(self.mean))

    def distances(self, scores: FloatArray) -> FloatArray:
        """Squared distances ``(n,)`` of such scores; beyond `farthest` is unlike."""
        return _distances(scores, np.array(self.precision))


def learn(statistics: FloatArray) -> SeenPictures:
    """What pictures of these statistics ``(n, n_statistics)`` are like, in random order; of at least `FEWEST`."""
    halves = statistics[::2], statistics[1::2]
    held_out = [_farness(*_learnt(a), b) for a, b in (halves, halves[::-1])]
    quantiles, mean, precision = _learnt(statistics)
    farthest = max(LEAST, MARGIN * float(np.quantile(np.concatenate(held_out), SELDOM)))
    rows: Any = [_rounded(quantiles), tuple(_rounded(mean[None])[0]), _rounded(precision), float(f"{farthest:.6g}")]
    return SeenPictures(*rows)


def _rounded(values: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{value:.9g}") for value in row) for row in values)


def _learnt(statistics: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Quantiles ``(n_statistics, n_shares)``, and mean and inverse covariance of the scores."""
    quantiles = np.quantile(statistics, SHARES, axis=0).T
    step = np.maximum(1e-3 * statistics.std(axis=0), FINEST)
    quantiles = np.maximum.accumulate(quantiles, axis=1) + step[:, None] * np.arange(len(SHARES))
    scores = _scores(statistics, quantiles)
    covariance = np.cov(scores.T) + RIDGE * np.eye(scores.shape[1])
    return quantiles, scores.mean(axis=0), np.linalg.inv(covariance).astype(np.float64)


def _scores(statistics: FloatArray, quantiles: FloatArray) -> FloatArray:
    made = np.empty(statistics.shape)
    middle = len(SHARES) // 2
    for j, known in enumerate(quantiles):
        values = statistics[:, j]
        low = max(known[1] - known[0], SLOWEST * (known[middle] - known[0]) * (_SCORES[0] - _SCORES[1]) / _SCORES[0])
        high = max(known[-1] - known[-2], SLOWEST * (known[-1] - known[middle]) * (1 - _SCORES[-2] / _SCORES[-1]))
        step = _SCORES[-1] - _SCORES[-2]
        below, above = np.minimum(values - known[0], 0) / low, np.maximum(values - known[-1], 0) / high
        made[:, j] = np.interp(values, known, _SCORES) + step * (below + above)
    return made


def _distances(scores: FloatArray, precision: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("ij,jk,ik->i", scores, precision, scores))


def _farness(quantiles: FloatArray, mean: FloatArray, precision: FloatArray, statistics: FloatArray) -> FloatArray:
    return _distances(_scores(statistics, quantiles) - mean, precision)


def statistics(pixels: NDArray[np.uint8]) -> FloatArray:
    """`STATISTICS` of pictures ``(n, height, width, channels)``: float64 ``(n, n_statistics)``."""
    grey = pixels[..., 0].astype(np.float32) if pixels.shape[3] == 1 else pixels.mean(axis=3, dtype=np.float32)
    across, down = np.abs(np.diff(grey, axis=2)), np.abs(np.diff(grey, axis=1))
    inner = grey[:, 1:-1, 1:-1]
    fine = np.abs(4 * inner - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:])
    rim = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    colour = np.abs(pixels - grey[..., None]) if pixels.shape[3] > 1 else np.zeros((len(pixels), 1, 1, 1))
    return np.stack(
        [
            grey.mean(axis=(1, 2)),
            grey.std(axis=(1, 2)),
            np.log1p(_mean(across)),
            np.log1p(_mean(down)),
            np.log1p(_mean(fine)),
            100 * _mean(across <= 1),
            rim.mean(axis=1),
            rim.std(axis=1),
            np.log1p(colour.mean(axis=(1, 2, 3))),
        ],
        axis=1,
    ).astype(np.float64)


def _mean(values: Any) -> Any:
    """Over each picture; 0 of none, in pictures a pixel wide."""
    flat = values.reshape(len(values), -1)
    return flat.mean(axis=1) if flat.shape[1] else np.zeros(len(values))
