"""Where users train networks of their own: `train`, populations of candidates, and what comes out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.workshop.batch_size import tune_batch
    from annvil.workshop.callbacks import Callback
    from annvil.workshop.rates import RateTest, find_learning_rate
    from annvil.workshop.result import Result
    from annvil.workshop.results import Results
    from annvil.workshop.trainer import train
    from annvil.workshop.varying import log_uniform, uniform

__all__ = [
    "Callback",
    "RateTest",
    "Result",
    "Results",
    "find_learning_rate",
    "log_uniform",
    "train",
    "tune_batch",
    "uniform",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Callback": "annvil.workshop.callbacks",
        "RateTest": "annvil.workshop.rates",
        "Result": "annvil.workshop.result",
        "Results": "annvil.workshop.results",
        "find_learning_rate": "annvil.workshop.rates",
        "log_uniform": "annvil.workshop.varying",
        "train": "annvil.workshop.trainer",
        "tune_batch": "annvil.workshop.batch_size",
        "uniform": "annvil.workshop.varying",
    },
)
