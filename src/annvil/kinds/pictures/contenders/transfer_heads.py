"""Linear heads on what a trained body sees: features of every picture once, then a solver instead of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.starts.pretrained import Start
from annvil.models.jobs import Running
from annvil.models.linear_fits import RidgePath, fit_logistic
from annvil.preparation import TargetScaling
from annvil.tasks.base import FloatArray, IntArray, Task

VALUES_AT_ONCE = 1 << 18
"""Values of pictures in one pass of the body (assumed: 256 pictures of 32 × 32 fit into the cache with their maps)."""


def features_of(
    start: Start, dataset: Dataset[Images], rows: IntArray, running: Running, *, mirrored: bool = False
) -> NDArray[np.float32] | None:
    """What the body sees, float32 ``(dataset.n_rows, n_features)``, NaN but for ``rows``; None after the deadline.

    ``mirrored``: left and right of the pictures are exchanged.
    """
    import torch

    from annvil.networks.transfer import transfer_network

    form = dataset.inputs.form
    body = transfer_network((start.architecture, start.weights), form.shape, 1).eval().body
    found = np.full((dataset.n_rows, body.n_features), np.nan, dtype=np.float32)
    at_once = max(1, VALUES_AT_ONCE // form.n_values)
    with torch.inference_mode():
        for begin in range(0, len(rows), at_once):
            if running.is_over():
                return None
            part = rows[begin : begin + at_once]
            pixels = torch.from_numpy(dataset.inputs.pixels(part))
            found[part] = body.features(pixels.flip(2) if mirrored else pixels).float().numpy()
    return found


@dataclass(frozen=True)
class Head:
    """A linear head on standardised features, as `TransferNetwork.set_head` takes it."""

    centre: NDArray[Any]
    spread: NDArray[Any]
    slopes: FloatArray
    intercepts: FloatArray
    target: TargetScaling | None

    def predict(self, task: Task, features: NDArray[Any]) -> FloatArray:
        """Probabilities ``(n, n_classes)`` or values ``(n, 1)``, float64."""
        outputs = np.asarray((features - self.centre) / self.spread @ self.slopes + self.intercepts, dtype=np.float64)
        if self.target is not None:
            return self.target.inverse(outputs)
        return task.link.apply(outputs)


def fit_head(dataset: Dataset[Images], features: NDArray[Any], rows: IntArray, penalty: float) -> Head:
    """The head for these training rows: logistic regression, one for every label where there may be several, or ridge.

    The penalty is on the sum of the losses. Features that never change keep a spread of 1.
    """
    own, y, task = features[rows], dataset.y[rows], dataset.task
    centre, spread = own.mean(axis=0), own.std(axis=0)
    spread = np.where(spread > 1e-6, spread, 1.0)
    own = (own - centre) / spread
    target = TargetScaling.of(task, y)
    if target is not None:
        found = RidgePath(own, target.transform(y).astype(np.float64)).coefficients(penalty)
        return Head(centre, spread, found.slopes, found.intercepts, target)
    if y.ndim == 1:
        found, _ = fit_logistic(own, y, task.n_outputs, penalty, None)
        return Head(centre, spread, found.slopes, found.intercepts, None)
    each = [fit_logistic(own, y[:, label], 2, penalty, None)[0] for label in range(task.n_outputs)]
    slopes = np.stack([one.slopes[:, 1] - one.slopes[:, 0] for one in each], axis=1)
    intercepts = np.array([one.intercepts[1] - one.intercepts[0] for one in each])
    return Head(centre, spread, slopes, intercepts, None)
