"""Training many networks as one program: tensors in, a `Population` of trained networks out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.augmenting import Augment, Mixing, Moment
    from annvil.training.distributed import Distributed
    from annvil.training.engine import train_population
    from annvil.training.population import Population
    from annvil.training.rates import Rates, range_test
    from annvil.training.recipe import Listener, Look, Member, Metric, Muon, Progress, Recipe

__all__ = [
    "Augment",
    "Distributed",
    "Listener",
    "Look",
    "Member",
    "Metric",
    "Mixing",
    "Moment",
    "Muon",
    "Population",
    "Progress",
    "Rates",
    "Recipe",
    "range_test",
    "train_population",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Augment": "annvil.augmenting",
        "Distributed": "annvil.training.distributed",
        "Listener": "annvil.training.recipe",
        "Look": "annvil.training.recipe",
        "Member": "annvil.training.recipe",
        "Metric": "annvil.training.recipe",
        "Mixing": "annvil.augmenting",
        "Moment": "annvil.augmenting",
        "Muon": "annvil.training.recipe",
        "Population": "annvil.training.population",
        "Progress": "annvil.training.recipe",
        "Rates": "annvil.training.rates",
        "Recipe": "annvil.training.recipe",
        "range_test": "annvil.training.rates",
        "train_population": "annvil.training.engine",
    },
)
