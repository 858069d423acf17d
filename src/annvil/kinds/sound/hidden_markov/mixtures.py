"""Mixtures of Gaussians with diagonal covariance: what each state of a chain gives off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annvil.tasks.base import FloatArray

LOG_2_PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Mixtures:
    """One mixture for each of ``n`` states.

    Attributes
    ----------
    means, variances : float64 ``(n, components, features)``
    weights : log weights of the components ``(n, components)``
    """

    means: FloatArray
    variances: FloatArray
    weights: FloatArray

    @property
    def n_parameters(self) -> int:
        """Learnt numbers."""
        return int(self.means.size + self.variances.size + self.weights.size)

    def quadratic(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log densities as sums: of squares times the first ``(features, n × components)``, of values times the second,
        plus the third ``(n × components,)``; weights included."""
        n_features = self.means.shape[2]
        precisions = 1.0 / self.variances
        constant = np.sum(np.log(self.variances) + self.means**2 * precisions, axis=2) + n_features * LOG_2_PI
        flat = (-1, n_features)
        squares = -0.5 * precisions.reshape(flat).T
        values = (self.means * precisions).reshape(flat).T
        return squares, values, (self.weights - 0.5 * constant).ravel()

    def components(self, frames: FloatArray) -> FloatArray:
        """Log of weight times density of each component: frames ``(m, features)`` → ``(m, n, components)``."""
        squares, values, constant = self.quadratic()
        found = np.square(frames) @ squares + frames @ values + constant
        return found.reshape(len(frames), *self.weights.shape)

    def densities(self, frames: FloatArray) -> FloatArray:
        """Log densities of frames ``(m, features)`` → ``(m, n)``."""
        return log_sum(self.components(frames))

    def split(self) -> Mixtures:
        """Twice the components: each in two, a deviation to both sides of its mean; EM steps that follow move them on.

        (HTK takes a fifth of a deviation, from which so few steps do not get far: on spoken digits .863 instead of .870
        of new speakers' clips were right.)
        """
        away = np.sqrt(self.variances)
        return Mixtures(
            np.concatenate([self.means - away, self.means + away], axis=1),
            np.concatenate([self.variances, self.variances], axis=1),
            np.concatenate([self.weights, self.weights], axis=1) - np.log(2.0),
        )


def log_sum(values: FloatArray) -> FloatArray:
    """Logarithm of the sum of powers along the last axis."""
    top = values.max(axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.exp(values - top).sum(axis=-1)))
