"""How the learning rate and the regularisation change over training, as factors of their peak."""

from __future__ import annotations

import math

from annvil.training.recipe import Recipe


def rate_factor(recipe: Recipe, progress: float) -> float:
    """The factor of the learning rate when ``progress`` of all steps (in [0, 1)) is done."""
    if progress < recipe.warmup:
        return progress / recipe.warmup
    t = (progress - recipe.warmup) / (1 - recipe.warmup)
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * t))
    if recipe.schedule == "one-cycle":
        # Shares of PyTorch's OneCycleLR: 30% rising from 1/25 of the peak. It ends at 1/250000; here at 0.
        if t < 0.3:
            return 1 / 25 + (1 - 1 / 25) * 0.5 * (1 - math.cos(math.pi * t / 0.3))
        return 0.5 * (1 + math.cos(math.pi * (t - 0.3) / 0.7))
    if recipe.schedule == "coslog":
        # Holzmüller et al. 2024 (arXiv 2407.04491), section 3: coslog4.
        return 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))
    return 1.0


def regularisation_factor(recipe: Recipe, progress: float) -> float:
    """The factor of weight decay and dropout; "flat-cosine" is flat_cos of Holzmüller et al. 2024, section 3."""
    if recipe.regularisation == "constant" or progress < 0.5:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (2 * progress - 1)))
