"""One pass over a flat array: AdamW and SGD with a learning rate and a weight decay for every member.

Where all members share their settings, PyTorch's fused kernel does it in one call a group. Where they differ, the fused
kernel computes AdamW's direction for a learning rate of 1 into a second array, and one more pass scales it by each
member's own rate: 64 members with 64 settings cost 0.46 ms instead of 0.20 ms for one setting (measured on one core,
64 × 5634 parameters), where 64 calls on slices cost 1.0 ms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from annvil.training.recipe import Member, Recipe
from annvil.training.stack import Layout


class Optimiser:
    """Moments and settings for the members of one pack.

    ``step(rate, decay)`` updates ``parameters`` in place from ``gradients``; ``rate`` and ``decay`` are the schedule's
    factors. ``moments`` and ``n_steps`` are its whole state.
    """

    def __init__(
        self, layout: Layout, members: Sequence[Member], recipe: Recipe, parameters: Tensor, gradients: Tensor
    ) -> None:
        self._layout, self._recipe = layout, recipe
        self._parameters, self._gradients = parameters, gradients
        self._views = layout.views(gradients, len(members))
        self.moments = [torch.zeros_like(parameters) for _ in range(2 if recipe.optimizer == "adamw" else 1)]
        self.n_steps = 0
        self._count = torch.zeros(())
        settings = {(member.learning_rate, member.weight_decay) for member in members}
        self._alike = len(settings) == 1 and recipe.optimizer == "adamw"
        self._slices = layout.slices(len(members))
        self._setting = next(iter(settings))
        if not self._alike:
            self._rates = self._spread([member.learning_rate for member in members], decaying=False)
            decays = [m.weight_decay * (m.learning_rate if recipe.optimizer == "adamw" else 1.0) for m in members]
            self._decays = self._spread(decays, decaying=True) if any(decays) else None
            self._direction = torch.zeros_like(parameters)

    def step(self, rate: float, decay: float) -> None:
        """One update; ``rate`` and ``decay`` multiply every member's learning rate and weight decay."""
        self.n_steps += 1
        if self._recipe.clip_norm is not None:
            self._clip(self._recipe.clip_norm)
        if self._recipe.optimizer == "sgd":
            self._sgd(rate, decay)
        elif self._alike:
            learning_rate, weight_decay = self._setting
            for group, part in self._slices:
                rate_here, decay_here = learning_rate * rate * group.rate, weight_decay * decay * group.decay
                self._adamw(self._parameters, part, rate_here, decay_here)
        else:
            # A learning rate and a weight decay of 1 first bring the last direction to 0, then add -m / (sqrt(v) +
            # eps).
            self._adamw(self._direction, slice(None), 1.0, 1.0)
            if self._decays is not None:
                self._parameters.addcmul_(self._parameters, self._decays, value=-rate * decay)
            self._parameters.addcmul_(self._direction, self._rates, value=rate)

    def _adamw(self, target: Tensor, part: slice, learning_rate: float, weight_decay: float) -> None:
        self._count.fill_(self.n_steps)
        torch._fused_adamw_(
            [target[part]],
            [self._gradients[part]],
            [self.moments[0][part]],
            [self.moments[1][part]],
            [],
            [self._count],
            lr=learning_rate,
            beta1=self._recipe.betas[0],
            beta2=self._recipe.betas[1],
            weight_decay=weight_decay,
            eps=self._recipe.eps,
            amsgrad=False,
            maximize=False,
        )

    def _sgd(self, rate: float, decay: float) -> None:
        """Nesterov's momentum in the form of torch.optim.SGD, where weight decay is added to the gradient."""
        direction, momentum = self._gradients, self._recipe.momentum
        if self._decays is not None:
            direction.addcmul_(self._parameters, self._decays, value=decay)
        self.moments[0].mul_(momentum).add_(direction)
        direction.add_(self.moments[0], alpha=momentum)
        self._parameters.addcmul_(direction, self._rates, value=-rate)

    def _clip(self, most: float) -> None:
        """Scale each member's gradient to a 2-norm of at most ``most``."""
        squares = torch.stack([view.flatten(1).square().sum(1) for view in self._views]).sum(0)
        scale = (most / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        for view in self._views:
            view.mul_(scale.view(-1, *[1] * (view.dim() - 1)))

    def _spread(self, per_member: Sequence[float], decaying: bool) -> Tensor:
        """The members' values at every place of the flat array, times the parameter's factors."""
        flat = torch.zeros_like(self._parameters)
        values = torch.tensor(per_member, dtype=torch.float32)
        for view, group in zip(self._layout.views(flat, len(per_member)), self._layout.groups, strict=True):
            # SGD's decay is part of the gradient, which meets the factor of the rate later.
            coupled = decaying and self._recipe.optimizer == "sgd"
            factor = (1.0 if coupled else group.rate) * (group.decay if decaying else 1.0)
            view.copy_((values * factor).view(-1, *[1] * (view.dim() - 1)))
        return flat
