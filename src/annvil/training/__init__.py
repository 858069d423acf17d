"""Training many networks as one program: tensors in, a `Population` of trained networks out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.data.batch_transform import Augment as Augment, Mixing as Mixing, Moment as Moment
    from annvil.training.loop.engine import train_population as train_population
    from annvil.training.lr_finder import LearningRateCurve as LearningRateCurve, range_test as range_test
    from annvil.training.population import Population as Population
    from annvil.training.recipe import (
        Listener as Listener,
        Look as Look,
        Member as Member,
        Metric as Metric,
        Muon as Muon,
        Progress as Progress,
        Recipe as Recipe,
    )
    from annvil.training.system.distributed import Distributed as Distributed

__getattr__, __all__ = lazily(__name__)
