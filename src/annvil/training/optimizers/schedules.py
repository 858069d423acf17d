"""How the learning rate and the regularisation change over training, as factors of their peak."""

from __future__ import annotations

import math

from annvil.training.recipe import Recipe


def rate_factor(recipe: Recipe, progress: float, warmup: float | None = None) -> float:
    """The factor of the learning rate when ``progress`` of all steps (in [0, 1)) is done.

    ``warmup`` in place of the recipe's, for parameters that have one of their own.
    """
    warmup = recipe.warmup if warmup is None else warmup
    if progress < warmup:
        return progress / warmup
    t = (progress - warmup) / (1 - warmup)
    if recipe.schedule == "constant":
        return 1.0
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
    if recipe.schedule == "flat-cosine":
        return _flat_cosine(t)
    if recipe.schedule == "triangular":
        return 1 - t
    return float(recipe.schedule(t))


def regularisation_factor(recipe: Recipe, progress: float) -> float:
    """The factor of weight decay and dropout; "flat-cosine" is flat_cos of Holzmüller et al. 2024, section 3."""
    return 1.0 if recipe.regularisation == "constant" else _flat_cosine(progress)


def _flat_cosine(t: float) -> float:
    return 1.0 if t < 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * t - 1)))
