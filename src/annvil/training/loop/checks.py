"""Whether a recorded step still computes what PyTorch computes, on real batches; and when to ask.

A recording cannot see everything: how memory lies, what an operation does under `vmap`, values of Python that change
later. So its loss, gradients and buffers are compared with those of PyTorch's autograd, from the same weights, rows and
random state: before the first step, after the first epoch, before the second, and now and then where the caller's code
runs in between (`docs/decisions/0016-execution.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

MOST_OF_STEPS = 0.02
"""Share of all steps that checks may cost."""

STEPS_OF_A_CHECK = 3
"""Steps that a check of one batch costs (measured: the recorded one, and PyTorch's at about twice the time)."""

SMALL_WORK = 1e8
"""Work (`Trace.work`) of a step, about 2 ms, up to which a few checks take less time than recording took."""

FREE = 3
"""Checks of small steps that are never too many."""

OF_SMALL = 0.005
"""The share of small steps: copying the network and looking at its values takes 2.5 ms a check, some 12 steps of
20-64-64-3 (measured: 1% of 20 epochs of 128 steps, where 2% of steps were 4% of the time)."""

_FAR, _FAR_OF_ALL = 2e-3, 2e-4
"""Of a gradient's largest number, and of the largest of all: what float32 rounds differently stays far below."""

_FAR_BFLOAT16 = 0.15
"""The same in bfloat16, of the 2-norm (assumed: two to four times what was seen)."""


@dataclass
class Checks:
    """How often to ask; ``work`` is that of a step."""

    work: float
    asked: int = field(default=0)

    def due(self, steps: float) -> bool:
        """Whether a check is worth its cost beside so many ``steps``; then it is counted."""
        small = self.work <= SMALL_WORK
        share = OF_SMALL if small else MOST_OF_STEPS
        if not ((small and self.asked < FREE) or STEPS_OF_A_CHECK * (self.asked + 1) <= share * steps):
            return False
        self.asked += 1
        return True


@dataclass(frozen=True)
class Step:
    """What a step left of one member: its loss, gradients and buffers by name."""

    loss: Tensor
    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]

    def differs(self, right: Step, bfloat16: bool) -> str:
        """What of it is not what PyTorch computed, as the end of a sentence about the network, or ""."""
        mine, theirs = float(self.loss), float(right.loss)
        if not torch.isfinite(right.loss):
            return ""  # both diverge, each in its own way
        if not abs(mine - theirs) <= (0.05 if bfloat16 else 1e-3) * max(abs(theirs), 1e-3):
            return f"its recorded step has loss {mine:.5g} where PyTorch's has {theirs:.5g}"
        found = _first_far(self.gradients, right.gradients, bfloat16)
        if found:
            return f"the gradient of {found} is not PyTorch's in its recorded step"
        found = _first_far(self.buffers, right.buffers, bfloat16)
        return f"its recorded step leaves {found} otherwise than PyTorch's" if found else ""


def _first_far(mine: dict[str, Tensor], theirs: dict[str, Tensor], bfloat16: bool) -> str:
    """The first name whose numbers differ beyond rounding."""
    order = 2.0 if bfloat16 else float("inf")
    far, of_all = (_FAR_BFLOAT16, _FAR_BFLOAT16) if bfloat16 else (_FAR, _FAR_OF_ALL)
    norms = {name: _norm(value, order) for name, value in theirs.items()}
    whole = max((norm for norm in norms.values()), default=0.0)
    for name, right in theirs.items():
        gap = _norm(mine[name].double() - right.double(), order)
        if not gap <= far * norms[name] + of_all * whole and norms[name] < float("inf"):
            return name
    return ""


def _norm(value: Tensor, order: float) -> float:
    return float(torch.linalg.vector_norm(value.double(), order)) if value.numel() else 0.0


def members_to_check(count: int, number: int) -> Sequence[int]:
    """The last member and another: what `vmap` does wrong, it does to all but the first."""
    return sorted({number % count, count - 1})
