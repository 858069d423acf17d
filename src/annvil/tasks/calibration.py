"""Probabilities that mean what they say: a correction fitted on out-of-fold predictions.

Temperature scaling (Guo et al. 2017, "On calibration of modern neural networks", section 4.2) and, for fits that
weighted the classes, vector scaling (same section): ``softmax(scale * log(p) + bias)``. Departures:

- it works on probabilities, not on logits, because what is calibrated is an average of members; for a single softmax
  member both are the same;
- a Gaussian prior keeps it near the identity (log of the scale: standard deviation 0.5; biases: 3; both assumed), so
  that few rows move it little. Because the identity costs no prior, out-of-fold log-loss never gets worse;
- each parameter must pay for itself by more than one nat (Akaike's criterion); else there is no correction at all.

The fit sees every out-of-fold prediction it later corrects. With one to C parameters on hundreds of rows the flattery
is small (about one nat per parameter over *all* rows); `selection.judge` adds exactly that back. A second bias has the
opposite sign: out-of-fold predictions come from single members, shipped ones from their average, which is less sure
of itself, so that a bag ends slightly too cautious rather than too bold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.link import SOFTMAX, Nodes
from annvil.tasks.targets import FloatArray

SMALLEST = 1e-7
"""Probabilities are clipped to this before the logarithm: the resolution of float32 near one."""

FEWEST_ROWS = 30
"""Below this many out-of-fold rows nothing is corrected (assumed)."""

MOST_ROWS = 50_000
"""Rows the fit looks at, evenly spaced: more do not move C + 1 parameters, they only take time."""

_PRIOR_LOG_SCALE = 0.5
_PRIOR_BIAS = 3.0
_SCALE_BOUNDS = (0.1, 10.0)
_MOST_STEPS, _PRECISION = 50, 1e-5


@dataclass(frozen=True)
class VectorScaling:
    """``softmax(scale * log(clip(p, SMALLEST, 1)) + bias)``; without biases this is temperature scaling.

    Attributes
    ----------
    scale : the inverse temperature; below 1 the predictions were too sure of themselves
    bias : one number per class, all zero for temperature scaling
    """

    scale: float
    bias: tuple[float, ...]

    @property
    def n_parameters(self) -> int:
        """Free numbers: the scale, and C - 1 biases when there are any."""
        return 1 + (len(self.bias) - 1 if any(self.bias) else 0)

    def apply(self, outputs: FloatArray) -> FloatArray:
        """Calibrated probabilities of probabilities, float64 ``(n_rows, n_classes)``; rows of NaN stay so."""
        return SOFTMAX.apply(np.log(np.clip(outputs, SMALLEST, 1.0)) * self.scale + np.asarray(self.bias))

    def write(self, graph: Nodes, outputs: str) -> str:
        """The same in the graph: float64 probabilities in, float64 probabilities out."""
        clipped = graph.op("Clip", outputs, graph.constant(SMALLEST), graph.constant(1.0))
        logits = graph.op("Mul", graph.op("Log", clipped), graph.constant(self.scale))
        if any(self.bias):
            logits = graph.op("Add", logits, graph.constant(np.asarray(self.bias)))
        return graph.op("Softmax", logits, axis=1)

    def on_scores(self) -> tuple[FloatArray, FloatArray]:
        """What it does to scores before the softmax: times the first ``(n_classes,)``, plus the second."""
        return np.full(len(self.bias), self.scale), np.asarray(self.bias, dtype=np.float64)

    def describe(self) -> str:
        """One sentence for the report."""
        towards = "softer" if self.scale < 1 else "sharper"
        text = f"Probabilities were made {towards} (temperature {1 / self.scale:.2f})"
        return text + (" and shifted per class." if any(self.bias) else ".")


@dataclass(frozen=True)
class LabelScaling:
    """Several labels at once, each scaled on its own: ``sigmoid(scale * logit(clip(p, SMALLEST, 1 - SMALLEST)))``.

    ``scale`` has a number for each label; 1 leaves it as it is.
    """

    scale: tuple[float, ...]

    @property
    def n_parameters(self) -> int:
        """The scales that are not 1."""
        return sum(scale != 1.0 for scale in self.scale)

    def apply(self, outputs: FloatArray) -> FloatArray:
        """Calibrated probabilities of probabilities, float64 ``(n_rows, n_labels)``; NaN stays."""
        from scipy.special import expit, logit

        return np.asarray(expit(np.asarray(self.scale) * logit(np.clip(outputs, SMALLEST, 1 - SMALLEST))))

    def write(self, graph: Nodes, outputs: str) -> str:
        """The same in the graph: float64 probabilities in, float64 probabilities out."""
        clipped = graph.op("Clip", outputs, graph.constant(SMALLEST), graph.constant(1 - SMALLEST))
        rest = graph.op("Sub", graph.constant(1.0), clipped)
        logits = graph.op("Sub", graph.op("Log", clipped), graph.op("Log", rest))
        return graph.op("Sigmoid", graph.op("Mul", logits, graph.constant(np.asarray(self.scale))))

    def on_scores(self) -> tuple[FloatArray, FloatArray]:
        """What it does to log-odds: times the first ``(n_labels,)``, plus the second."""
        return np.asarray(self.scale, dtype=np.float64), np.zeros(len(self.scale))

    def describe(self) -> str:
        """One sentence for the report."""
        softer, sharper = sum(scale < 1 for scale in self.scale), sum(scale > 1 for scale in self.scale)
        return f"Probabilities were made softer for {softer} and sharper for {sharper} of {len(self.scale)} labels."


Scaling = VectorScaling | LabelScaling


def calibrate_classes(y: NDArray[Any], out_of_fold: FloatArray, class_weighted: bool) -> VectorScaling | None:
    """The correction that out-of-fold predictions ask for, or None when they ask for none.

    Parameters
    ----------
    y : int64 class codes ``(n_rows,)``
    out_of_fold : probabilities ``(n_rows, n_classes)``; rows of NaN are left out
    class_weighted : whether the fit weighted its classes, so that a bias per class is to be expected
    """
    rows = _rows(out_of_fold)
    return None if rows is None else _fit_classes(y[rows], out_of_fold[rows], class_weighted)


def calibrate_labels(y: NDArray[Any], out_of_fold: FloatArray) -> LabelScaling | None:
    """The same for several labels, ``y`` 0 and 1 ``(n_rows, n_labels)``, each corrected as if alone."""
    rows = _rows(out_of_fold)
    if rows is None:
        return None
    each = [
        _fit_classes(y[rows, k], np.stack([1 - out_of_fold[rows, k], out_of_fold[rows, k]], axis=1), False)
        for k in range(out_of_fold.shape[1])
    ]
    return LabelScaling(tuple(1.0 if one is None else one.scale for one in each)) if any(each) else None


def _rows(out_of_fold: FloatArray) -> NDArray[Any] | None:
    """The rows that are looked at; None where they are too few."""
    rows = np.flatnonzero(np.isfinite(out_of_fold).all(axis=1))
    rows = rows[:: max(1, len(rows) // MOST_ROWS)]
    return None if len(rows) < FEWEST_ROWS else rows


def _fit_classes(y: NDArray[Any], outputs: FloatArray, class_weighted: bool) -> VectorScaling | None:
    if len(np.unique(y)) < 2:
        return None
    logs = np.log(np.clip(outputs, SMALLEST, 1.0))
    codes = np.asarray(y, dtype=np.int64)
    n_classes = logs.shape[1]
    best, best_cost = None, _negative_log_likelihood(logs, codes)
    for scaling in [_fit_temperature(logs, codes), _fit_vector(logs, codes) if class_weighted else None]:
        if scaling is None:
            continue
        logits = scaling.scale * logs + np.asarray(scaling.bias)
        cost = _negative_log_likelihood(logits, codes) + (n_classes if any(scaling.bias) else 1)
        if cost < best_cost:
            best, best_cost = scaling, cost
    return best


def _fit_temperature(logs: FloatArray, codes: NDArray[np.int64]) -> VectorScaling:
    """The most probable scale: Newton steps on the logarithm, halvings where they leave what holds the one peak."""
    low, high = np.log(_SCALE_BOUNDS)
    log_scale, of_truth = 0.0, logs[np.arange(len(codes)), codes].sum()
    for _ in range(_MOST_STEPS):
        scale = np.exp(log_scale)
        shares = SOFTMAX.apply(scale * logs)
        expected = np.sum(shares * logs, axis=1)
        pull = scale * (expected.sum() - of_truth)
        slope = pull + log_scale / _PRIOR_LOG_SCALE**2
        spread = np.sum(shares * logs**2) - np.sum(expected**2)
        curvature = pull + scale**2 * spread + 1 / _PRIOR_LOG_SCALE**2
        low, high = (low, log_scale) if slope > 0 else (log_scale, high)
        after = log_scale - slope / curvature if curvature > 0 else low
        after = after if low < after < high else (low + high) / 2
        if abs(after - log_scale) < _PRECISION:
            break
        log_scale = after
    return VectorScaling(float(np.exp(log_scale)), (0.0,) * logs.shape[1])


def _fit_vector(logs: FloatArray, codes: NDArray[np.int64]) -> VectorScaling:
    """The most probable scale and biases, by L-BFGS with the exact gradient."""
    from scipy.optimize import minimize

    n_classes = logs.shape[1]
    truth = np.eye(n_classes)[codes]

    def cost(parameters: FloatArray) -> tuple[float, FloatArray]:
        log_scale, bias = parameters[0], parameters[1:]
        logits = np.exp(log_scale) * logs + bias
        surplus = SOFTMAX.apply(logits) - truth  # derivative of the log-likelihood by the logits
        slope_scale = np.sum(surplus * logs) * np.exp(log_scale) + log_scale / _PRIOR_LOG_SCALE**2
        slope_bias = surplus.sum(axis=0) + bias / _PRIOR_BIAS**2
        prior = 0.5 * (log_scale / _PRIOR_LOG_SCALE) ** 2 + 0.5 * np.sum((bias / _PRIOR_BIAS) ** 2)
        return _negative_log_likelihood(logits, codes) + prior, np.concatenate([[slope_scale], slope_bias])

    bounds = [tuple(np.log(_SCALE_BOUNDS)), *[(-20.0, 20.0)] * n_classes]
    found = minimize(cost, np.zeros(1 + n_classes), jac=True, method="L-BFGS-B", bounds=bounds)
    bias = found.x[1:] - found.x[1:].mean()  # softmax does not see a common shift
    return VectorScaling(float(np.exp(found.x[0])), tuple(float(b) for b in bias))


def _negative_log_likelihood(logits: FloatArray, codes: NDArray[np.int64]) -> float:
    """Summed over rows, in nats."""
    top = logits.max(axis=1)
    partition = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float(np.sum(partition - logits[np.arange(len(codes)), codes]))
