"""Training many networks as one program: tensors in, a `Population` of trained networks out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.data.batch_transform import Augment, Mixing, Moment
    from annvil.training.loop.engine import train_population
    from annvil.training.lr_finder import Rates, range_test
    from annvil.training.population import Population
    from annvil.training.recipe import Listener, Look, Member, Metric, Muon, Progress, Recipe
    from annvil.training.system.distributed import Distributed

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
        "Augment": "annvil.data.batch_transform",
        "Distributed": "annvil.training.system.distributed",
        "Listener": "annvil.training.recipe",
        "Look": "annvil.training.recipe",
        "Member": "annvil.training.recipe",
        "Metric": "annvil.training.recipe",
        "Mixing": "annvil.data.batch_transform",
        "Moment": "annvil.data.batch_transform",
        "Muon": "annvil.training.recipe",
        "Population": "annvil.training.population",
        "Progress": "annvil.training.recipe",
        "Rates": "annvil.training.lr_finder",
        "Recipe": "annvil.training.recipe",
        "range_test": "annvil.training.lr_finder",
        "train_population": "annvil.training.loop.engine",
    },
)
