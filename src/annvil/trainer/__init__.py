"""Where users train networks of their own: `train`, populations of candidates, and what comes out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.trainer.arguments.settings import (
        Batches,
        Execution,
        Logging,
        Optimizer,
        Regularization,
        Schedule,
        Search,
        Stop,
    )
    from annvil.trainer.lr_finder import RateTest, find_learning_rate
    from annvil.trainer.monitoring.callbacks import Callback
    from annvil.trainer.population.search_space import log_uniform, uniform
    from annvil.trainer.results.population_results import Results
    from annvil.trainer.results.result import Result
    from annvil.trainer.training import train
    from annvil.trainer.tuning import tune_batch

__all__ = [
    "Batches",
    "Callback",
    "Execution",
    "Logging",
    "Optimizer",
    "RateTest",
    "Regularization",
    "Result",
    "Results",
    "Schedule",
    "Search",
    "Stop",
    "find_learning_rate",
    "log_uniform",
    "train",
    "tune_batch",
    "uniform",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Batches": "annvil.trainer.arguments.settings",
        "Callback": "annvil.trainer.monitoring.callbacks",
        "Execution": "annvil.trainer.arguments.settings",
        "Logging": "annvil.trainer.arguments.settings",
        "Optimizer": "annvil.trainer.arguments.settings",
        "RateTest": "annvil.trainer.lr_finder",
        "Regularization": "annvil.trainer.arguments.settings",
        "Result": "annvil.trainer.results.result",
        "Results": "annvil.trainer.results.population_results",
        "Schedule": "annvil.trainer.arguments.settings",
        "Search": "annvil.trainer.arguments.settings",
        "Stop": "annvil.trainer.arguments.settings",
        "find_learning_rate": "annvil.trainer.lr_finder",
        "log_uniform": "annvil.trainer.population.search_space",
        "train": "annvil.trainer.training",
        "tune_batch": "annvil.trainer.tuning",
        "uniform": "annvil.trainer.population.search_space",
    },
)
