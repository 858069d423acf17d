"""Where the training of an additive network begins: its free parts as a penalised fit of all rows at once.

Without its subnets an additive network is a linear model of hat functions, and its penalty that of a Gaussian prior
(steps of monotone columns aside, which cannot be negative). So limited-memory BFGS on the whole training part (Liu and
Nocedal 1989, as in SciPy) comes close to the best free parts in a few dozen products with a sparse matrix, where Adam
needs dozens of epochs. Training goes on from there: subnets begin to matter, and validation chooses the epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from annvil.tasks.base import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from annvil.models.networks.additive_settings import AdditiveSettings, AdditiveSizes
    from annvil.networks.additive import AdditiveNetwork

STEPS = 60
"""Steps of the optimiser, at most (measured, see docs/decisions/0032)."""


def start(network: AdditiveNetwork, sizes: AdditiveSizes, settings: AdditiveSettings, split: int) -> None:
    """Give a network the free parts, levels, grids and bias of the penalised fit; the same request, the same bits."""
    import torch
    from scipy.optimize import minimize

    fit = _Fit(network, sizes, settings, split)
    found = minimize(fit.loss, fit.begin(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    with torch.no_grad():
        for parameter, values in zip(fit.parameters, fit.parts(found.x), strict=True):
            parameter.copy_(torch.from_numpy(values))


class _Fit:
    """Mean loss of a split's training rows, plus the engine's penalty: half of the decay times the squares."""

    def __init__(self, network: AdditiveNetwork, sizes: AdditiveSizes, settings: AdditiveSettings, split: int) -> None:
        from annvil.networks.additive import PAIRS

        train, _ = sizes.splits[split]
        grid = () if network.grid is None else (network.grid,)
        self.parameters = (network.bias, network.free, network.levels, *grid)
        decays = (0.0, 1.0, 1.0, PAIRS)
        self.decay = np.concatenate(
            [np.full(one.numel(), factor) for one, factor in zip(self.parameters, decays, strict=False)]
        )
        self.decay *= settings.weight_decay
        self.basis = network.basis.double().numpy()
        monotone = network.is_monotone
        self.is_step = network.is_step.double().numpy()[:, :, None] if monotone else np.zeros((1, 1, 1))
        self.level_scale = network.level_scale.double().numpy()[:, None]
        bases, pairs = network.pair_basis.double().numpy(), network.pairs.numpy()
        self.left, self.right = bases[pairs[:, 0]], bases[pairs[:, 1]]
        self.hats = _hats(network, sizes, train)
        self.weights = (sizes.weights[train] / sizes.weights[train].sum())[:, None]
        y = sizes.y[train]
        self.classes, self.is_binary = sizes.task.predicts_probabilities, network.is_binary
        k = len(network.bias)
        self.y = (y[:, None] == (np.arange(k) if k > 1 else 1)).astype(np.float64) if self.classes else y[:, None]

    def begin(self) -> FloatArray:
        """The network as it is."""
        return np.concatenate([one.detach().double().numpy().ravel() for one in self.parameters])

    def parts(self, values: FloatArray) -> list[FloatArray]:
        """The parameters in their shapes."""
        ends = np.cumsum([one.numel() for one in self.parameters])[:-1]
        return [part.reshape(one.shape) for part, one in zip(np.split(values, ends), self.parameters, strict=True)]

    def loss(self, values: FloatArray) -> tuple[float, FloatArray]:
        """Penalised loss and its gradient."""
        bias, free, levels, *grids = self.parts(values)
        k = len(bias)
        signed = free * (1 - self.is_step) + np.logaddexp(0, free - 2) * self.is_step  # as `AdditiveNetwork.effects`
        bend = 1 - self.is_step + self.is_step / (1 + np.exp(np.minimum(2 - free, 500.0)))
        tables = [(self.basis @ signed).reshape(-1, k), levels * self.level_scale]
        for grid in grids:
            tables.append(np.einsum("pab,pbck,pdc->padk", self.left, grid, self.right, optimize=True).reshape(-1, k))
        table = np.concatenate(tables)
        spare = np.zeros((self.hats.shape[1] - len(table), k))
        losses, slopes = self._rows(self.hats @ np.concatenate([table, spare]) + bias)
        slopes = slopes * self.weights
        down = self.hats.T @ slopes
        first, second = free.shape[0] * free.shape[1], free.shape[0] * free.shape[1] + len(levels)
        back = [slopes.sum(axis=0)]
        back.append(np.swapaxes(self.basis, 1, 2) @ down[:first].reshape(free.shape) * bend)
        back.append(down[first:second] * self.level_scale)
        for grid in grids:
            above = down[second : len(table)].reshape(grid.shape)
            back.append(np.einsum("pab,padk,pdc->pbck", self.left, above, self.right, optimize=True))
        total = float(losses @ self.weights[:, 0]) + 0.5 * float(self.decay @ values**2)
        return total, np.concatenate([part.ravel() for part in back]) + self.decay * values

    def _rows(self, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Each row's loss, and its slope by the scores."""
        if not self.classes:
            far = scores - self.y
            return (far**2)[:, 0], 2 * far
        if self.is_binary:
            signed = (1 - 2 * self.y) * scores
            return np.logaddexp(0, signed)[:, 0], 1 / (1 + np.exp(-np.clip(scores, -500, 500))) - self.y
        shifted = scores - scores.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -(self.y * logs).sum(axis=1), np.exp(logs) - self.y


def _hats(network: AdditiveNetwork, sizes: AdditiveSizes, rows: IntArray) -> csr_array:
    """What every slot and cell counts for in each row, as `AdditiveNetwork.forward` looks it up."""
    from scipy.sparse import csr_array

    fine, share = (part[rows] for part in sizes.fine)
    place = fine + network.first.numpy()
    places, shares = [place, place + 1], [1 - share, share]
    n_slots = network.basis.shape[0] * network.basis.shape[1] + len(network.level_scale)
    width = 0
    if network.grid is not None:
        width, pairs = network.grid.shape[1], network.pairs.numpy()
        (a, b), (u, v) = ((part[rows][:, pairs[:, 0]], part[rows][:, pairs[:, 1]]) for part in sizes.coarse)
        corner = a * width + b + n_slots + np.arange(len(pairs)) * width * width
        places += [corner, corner + 1, corner + width, corner + width + 1]
        shares += [(1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v]
        n_slots += len(pairs) * width * width
    indices, values = np.concatenate(places, axis=1), np.concatenate(shares, axis=1)
    ends = np.arange(len(rows) + 1) * indices.shape[1]
    return csr_array((values.ravel(), indices.ravel(), ends), shape=(len(rows), n_slots + width + 2))
