"""Where users train networks of their own: `train`, populations of candidates, and what comes out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.trainer.arguments.settings import (
        Batches as Batches,
        Execution as Execution,
        Logging as Logging,
        Optimizer as Optimizer,
        Regularization as Regularization,
        Schedule as Schedule,
        Search as Search,
        Stop as Stop,
    )
    from annvil.trainer.lr_finder import RateTest as RateTest, find_learning_rate as find_learning_rate
    from annvil.trainer.monitoring.callbacks import Callback as Callback
    from annvil.trainer.population.search_space import log_uniform as log_uniform, uniform as uniform
    from annvil.trainer.results.population_results import Results as Results
    from annvil.trainer.results.result import Result as Result
    from annvil.trainer.training import train as train
    from annvil.trainer.tuning import tune_batch as tune_batch

__getattr__, __all__ = lazily(__name__)
