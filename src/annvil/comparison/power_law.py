"""Learning curves as power laws: error(n) = a + b n^-c with an honest band, and where two of them cross.

The form and the at least five anchors follow LCDB (Mohr, Viering et al. 2022). About 15% of curves are not monotone or
not convex (LCDB 1.1, 2025), so a law is refused, with the reason, when the errors rise by more than their noise or lie
further from the law than their noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annvil.comparison.results import Anchor, PowerLaw
from annvil.tasks.base import FloatArray
from annvil.text.words import ROWS, Words

FEWEST_ANCHORS = 5
EXPONENTS = np.concatenate([np.linspace(0.05, 1.0, 39), np.linspace(1.05, 2.0, 20)])
"""Exponents tried. Learning theory and practice lie within 0.1 to 1; above 2 a curve is a step (assumed)."""

DRAWS = 400
"""Bootstrap draws (assumed: the 5% and 95% points are then known to about one point of probability)."""

EXTRAPOLATION = 4.0
"""Laws are trusted to this many times the largest anchor, no further (assumed; see the warning above)."""

RISE = 4.0
"""An error that rises by more than this many standard errors above the lowest earlier one is not noise."""

MISFIT = 2.0
"""Residuals beyond this many standard errors (root mean square) say that the law does not fit.

Measured on 100 simulated curves each, of seven anchors and three folds: with both limits 4 to 9% of true power laws
(flat ones included) are refused, all curves with a peak of 7 standard errors, and 4 of 10 with a jump of 4.
"""


@dataclass(frozen=True)
class Law:
    """A fitted law with its bootstrap.

    Attributes
    ----------
    parameters : a, b, c
    draws : float64 ``(n_draws, 3)``
    noise : standard error of an anchor's mean, pooled
    largest : the largest anchor
    """

    parameters: tuple[float, float, float]
    draws: FloatArray
    noise: float
    largest: int

    def at(self, sizes: FloatArray) -> FloatArray:
        """Fitted errors ``(n_sizes,)``."""
        return np.asarray(law_values(np.array([self.parameters]), sizes)[0])

    def draws_at(self, sizes: FloatArray) -> FloatArray:
        """Errors of every bootstrap draw ``(n_draws, n_sizes)``."""
        return law_values(self.draws, sizes)


def law_values(parameters: FloatArray, sizes: FloatArray) -> FloatArray:
    """a + b n^-c for rows of (a, b, c): ``(n_laws, n_sizes)``."""
    a, b, c = parameters.T[:, :, None]
    return np.asarray(a + b * np.asarray(sizes, dtype=np.float64)[None, :] ** -c)


def fit_law(anchors: Sequence[Anchor], seed: int) -> Law:
    """Weighted least squares with a, b >= 0, and a bootstrap of the anchors' means.

    Weights come from the pooled noise: with two or three repeats the spread of a single anchor is too unsure to weigh
    by. Draws add noise to the fitted means, as large as the larger of the anchors' own noise and the residuals,
    so that a law which fits badly gets a wide band.
    """
    sizes = np.array([anchor.n_train for anchor in anchors], dtype=np.float64)
    means = np.array([anchor.mean for anchor in anchors])
    noise = anchor_noise(anchors)
    best = _least_squares(sizes, means[None, :], noise)[0]
    residual = law_values(best[None, :], sizes)[0] - means
    freedom = max(1, len(anchors) - 3)
    stretch = max(1.0, float(np.sqrt(np.sum((residual / noise) ** 2) / freedom)))
    generator = np.random.default_rng(seed)
    heavy = generator.standard_t(freedom + 2, size=(DRAWS, len(anchors)))  # few anchors: heavier tails than the normal
    drawn = law_values(best[None, :], sizes) + heavy * noise * stretch
    a, b, c = (float(x) for x in best)
    return Law((a, b, c), _least_squares(sizes, drawn, noise), float(noise.mean()), int(sizes[-1]))


def anchor_noise(anchors: Sequence[Anchor]) -> FloatArray:
    """Standard error of each anchor's mean ``(n_anchors,)``, pooled over anchors.

    Repeats share their test rows across anchors: what is common to a repeat (an easy test fold) moves the whole curve
    and is taken out first. The rest is pooled and floored, so that exact repeats do not make a law certain. It is
    taken to grow towards small sizes with the fourth root of 1/n: between the noise of training, which goes with the
    square root, and that of testing, which is the same at every anchor (assumed).
    """
    repeats = min(len(anchor.errors) for anchor in anchors)
    sizes = np.array([anchor.n_train for anchor in anchors], dtype=np.float64)
    errors = np.array([anchor.errors[:repeats] for anchor in anchors])
    floor = 1e-3 * max(1e-12, float(np.abs(errors).mean()))
    growth = (sizes[-1] / sizes) ** 0.25
    if repeats < 2:
        return np.asarray(np.maximum(floor, 0.02 * np.abs(errors[:, 0])) * growth)
    centred = errors - errors.mean(axis=1, keepdims=True)
    centred -= centred.mean(axis=0, keepdims=True)
    freedom = (len(anchors) - 1) * (repeats - 1)
    pooled = np.sqrt(np.sum((centred / growth[:, None]) ** 2) / max(1, freedom))
    return np.asarray(np.maximum(floor, pooled / np.sqrt(repeats)) * growth)


def _least_squares(sizes: FloatArray, means: FloatArray, noise: FloatArray) -> FloatArray:
    """(a, b, c) for each row of ``means`` ``(n_curves, n_anchors)``: c on a grid, a and b in closed form, a, b >= 0."""
    w = 1.0 / noise**2
    w = w / w.sum()
    best = np.zeros((len(means), 3))
    best_cost = np.full(len(means), np.inf)
    for c in EXPONENTS:
        x = (sizes / sizes[0]) ** -c
        x_mean, y_mean = float(w @ x), means @ w
        slope = ((means - y_mean[:, None]) * w) @ (x - x_mean) / float(w @ (x - x_mean) ** 2)
        level = y_mean - slope * x_mean
        through_zero = (means * w) @ x / float(w @ x**2)
        slope, level = (
            np.where(slope < 0, 0.0, np.where(level < 0, np.maximum(through_zero, 0.0), slope)),
            np.where(slope < 0, np.maximum(y_mean, 0.0), np.maximum(level, 0.0)),
        )
        cost = (means - level[:, None] - slope[:, None] * x) ** 2 @ w
        better = cost < best_cost - 1e-15
        best_cost = np.where(better, cost, best_cost)
        best[better] = np.stack([level, slope * sizes[0] ** c, np.full(len(means), c)], axis=1)[better]
    return best


def why_ill_behaved(anchors: Sequence[Anchor], law: Law, words: Words = ROWS) -> str:
    """Why the curve is not to be extrapolated, or an empty string."""
    means = np.array([anchor.mean for anchor in anchors])
    noise = anchor_noise(anchors)
    for later in range(1, len(means)):
        earlier = int(np.argmin(means[:later]))
        if means[later] - means[earlier] > RISE * np.hypot(noise[later], noise[earlier]):
            return (
                f"the error rises between {anchors[earlier].n_train:,} and {anchors[later].n_train:,} {words.rows} "
                "by more than its noise"
            )
    residual = law.at(np.array([anchor.n_train for anchor in anchors], dtype=np.float64)) - means
    freedom = max(1, len(anchors) - 3)
    if float(np.sqrt(np.sum((residual / noise) ** 2) / freedom)) > MISFIT:
        return "the errors lie further from a power law than their noise"
    return ""


def as_power_law(law: Law) -> PowerLaw:
    """The record of a law: its band at the anchors' range and up to four times the largest."""
    sizes = np.geomspace(law.largest / 16, EXTRAPOLATION * law.largest, 25)
    drawn = law.draws_at(sizes)
    a, b, c = law.parameters
    return PowerLaw(
        a=a,
        b=b,
        c=c,
        sizes=tuple(float(size) for size in sizes),
        median=tuple(float(x) for x in np.median(drawn, axis=0)),
        low=tuple(float(x) for x in np.quantile(drawn, 0.05, axis=0)),
        high=tuple(float(x) for x in np.quantile(drawn, 0.95, axis=0)),
    )
