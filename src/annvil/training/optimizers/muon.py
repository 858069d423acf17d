"""Muon: momentum whose update is made orthogonal, for the matrices of all members at once.

Jordan 2024 (https://kellerjordan.github.io/posts/muon/); `torch.optim.Muon` is the same for one network. Convolutions'
filters count as matrices (out, rest). The Newton-Schulz iteration runs in float32 unless bfloat16 pays; PyTorch's
always takes bfloat16, which is slow on processors without units for it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.training.loop.stack import Group, Layout
from annvil.training.recipe import Member, Recipe

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic: steepest at zero (Jordan 2024)
_LEAST_NORM = 1e-7  # as in the reference

LEAST_SIDE = 128
"""Shorter side from which the iteration pays in bfloat16: five steps for one member's 64 × 288 take 0.23 ms in float32
and 0.40 in bfloat16, 128 × 576 take 1.27 and 0.72, 256 × 1152 10.3 and 2.3; 16 members' 64 × 64 0.94 and 0.71,
256 × 256 53 and 9.8 (measured on one core with AMX)."""


@runtime_checkable
class NamesMatrices(Protocol):
    """A network that knows better than `matrices_of` what Muon should take."""

    def muon_parameters(self) -> Sequence[str]:
        """Names of its parameters."""


def matrices_of(network: nn.Module, layout: Layout) -> tuple[str, ...]:
    """Names of the parameters that Muon takes, in the order of the network.

    All of two axes and more that are more than one row or column, except embeddings and the last of them, which is
    taken for the output layer; or those that a network names (`NamesMatrices`).
    """
    if isinstance(network, NamesMatrices):
        asked = tuple(network.muon_parameters())
        unknown = [name for name in asked if name not in layout.names]
        if unknown:
            raise RequestError(
                f"{type(network).__name__}.muon_parameters() names {unknown[0]!r}, which is no trained parameter."
            )
        return asked
    tables = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)}
    found = [
        name
        for name, value in network.named_parameters()
        if name in layout.names and id(value) not in tables and value.dim() >= 2 and min(_sides(value.shape)) >= 2
    ]
    return tuple(found[:-1])


def is_wide(layout: Layout, names: Collection[str]) -> bool:
    """Whether any of these matrices is so wide that bfloat16 may pay."""
    return any(min(_sides(layout.shapes[i])) >= LEAST_SIDE for i, name in enumerate(layout.names) if name in names)


_Matrix = tuple[Tensor, Tensor, Tensor, Group]  # weights, gradient, momentum, settings


class MuonRule:
    """Updates the matrices ``names`` of a pack. ``flats`` are its parameters, gradients and this rule's whole state."""

    def __init__(
        self,
        layout: Layout,
        members: Sequence[Member],
        recipe: Recipe,
        names: Collection[str],
        flats: tuple[Tensor, Tensor, Tensor],
        bfloat16: bool,
    ) -> None:
        self._recipe, self._bfloat16 = recipe, bfloat16
        parameters, gradients, moment = (layout.views(flat, len(members)) for flat in flats)
        places = [i for i, name in enumerate(layout.names) if name in names]
        places.sort(key=lambda i: -math.prod(layout.shapes[i]))
        self._matrices: list[_Matrix] = [(parameters[i], gradients[i], moment[i], layout.groups[i]) for i in places]
        own = [recipe.momentum if member.momentum is None else member.momentum for member in members]
        self._momentum = torch.tensor(own).view(-1, 1, 1)
        self._rates = torch.tensor([member.learning_rate for member in members]).view(-1, 1, 1)
        self._decays = torch.tensor([member.weight_decay for member in members]).view(-1, 1, 1)

    def step(self, rate: float, decay: float, pool: ThreadPoolExecutor | None = None) -> None:
        """One update; ``rate`` and ``decay`` multiply every member's learning rate and weight decay.

        A ``pool`` takes all matrices but the largest, which is updated here meanwhile.
        """
        update = partial(self._update, rate, decay)
        here = self._matrices if pool is None else self._matrices[:1]
        waiting = [pool.submit(update, matrix) for matrix in self._matrices[1:]] if pool is not None else []
        for matrix in here:
            update(matrix)
        for future in waiting:
            future.result()

    def _update(self, rate: float, decay: float, matrix: _Matrix) -> None:
        parameter, gradient, moment, group = matrix
        weights, update, momentum = (tensor.flatten(2) for tensor in (parameter, gradient, moment))
        momentum.mul_(self._momentum).add_(update)
        update = update.addcmul(momentum, self._momentum) if self._recipe.nesterov else momentum
        narrow = self._bfloat16 and min(weights.shape[1:]) >= LEAST_SIDE
        direction = orthogonal(update, self._recipe.muon.steps, narrow)
        if self._recipe.renormalise:
            rows = weights.shape[1]
            norms = weights.flatten(1).norm(dim=1).clamp(min=_LEAST_NORM)
            weights.mul_((math.sqrt(rows) / norms).view(-1, 1, 1))
        rates = self._rates * (rate * group.rate)
        if decay * group.decay:
            weights.mul_(1 - rates * self._decays * (decay * group.decay))
        weights.addcmul_(direction, rates, value=-self._scale(parameter.shape[1:]))

    def _scale(self, shape: torch.Size) -> float:
        rows, columns = _sides(shape)
        if self._recipe.muon.scale == "adamw":
            return 0.2 * math.sqrt(max(rows, columns))
        return math.sqrt(max(1, rows / columns)) if self._recipe.muon.scale == "shape" else 1.0


def orthogonal(update: Tensor, steps: int, bfloat16: bool = False) -> Tensor:
    """``(members, a, b)`` → the same shape, float32, with all singular values brought to about 1 (0.7 to 1.2).

    Each member's update is divided by its norm; then ``steps`` times, on the shorter side, every singular value s
    becomes 3.4445 s - 4.775 s³ + 2.0315 s⁵.
    """
    a, b, c = _COEFFICIENTS
    x = update / update.flatten(1).norm(dim=1).clamp(min=_LEAST_NORM).view(-1, 1, 1)
    x = x.bfloat16() if bfloat16 else x
    tall = x.shape[1] > x.shape[2]
    x = x.mT.contiguous() if tall else x
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    result: Tensor = x.mT if tall else x
    return result.float()


def _sides(shape: Sequence[int]) -> tuple[int, int]:
    return shape[0], math.prod(shape[1:])
