"""Annvil: is a neural network the right tool for this data? An answer with evidence, and the model to ship."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

# Idle OpenMP threads that spin take up to ten times a step's time on busy cores; libgomp reads this when it loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _let_sums_have_one_order() -> None:
    """Have MKL add in the same order wherever a matrix lies, where nobody chose; it reads this at its first product.

    Otherwise the order hangs on whether a matrix begins on 16 bytes, and so last bits of what a member learns on its
    place among others (decision 0011). On AMD AVX2, which MKL takes there anyway; else the best that MKL knows.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return
    vendor = os.environ.get("PROCESSOR_IDENTIFIER", "")  # of Windows
    with suppress(OSError), open("/proc/cpuinfo", encoding="ascii", errors="replace") as processor:
        vendor = processor.read(256)
    os.environ.setdefault("MKL_CBWR", "AVX2" if "AuthenticAMD" in vendor else "AUTO")


_let_sums_have_one_order()


def _let_keras_use_torch() -> None:
    """Choose PyTorch for a Keras that is imported later, where nobody chose and Keras' own choice is not installed.

    Without a choice Keras takes TensorFlow, and writes that into its file of settings when it is first imported; so the
    file's "tensorflow" is nobody's choice where there is no TensorFlow.
    """
    if "KERAS_BACKEND" in os.environ or "keras" in sys.modules or find_spec("tensorflow") is not None:
        return
    file = os.path.join(os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras"), "keras.json")
    with suppress(OSError), open(file, encoding="utf-8", errors="replace") as settings:
        text = settings.read()
        if '"backend"' in text and '"tensorflow"' not in text:
            return
    os.environ["KERAS_BACKEND"] = "torch"


_let_keras_use_torch()

if TYPE_CHECKING:
    from annvil.bundle.network import load
    from annvil.errors import AnnvilError
    from annvil.kinds.pictures.augmented_sets import augment
    from annvil.kinds.pictures.contenders.pretraining import pretrain
    from annvil.kinds.pictures.estimators import ImageClassifier, ImageRegressor
    from annvil.kinds.registry import read
    from annvil.models.estimators import MLPClassifier, MLPRegressor, TabMClassifier, TabMRegressor
    from annvil.preparation import Augmentation
    from annvil.run import Run, fit, list_runs, open_run, resume
    from annvil.trainer import (
        Batches,
        Callback,
        Execution,
        Logging,
        Optimizer,
        Regularization,
        Result,
        Results,
        Schedule,
        Search,
        Stop,
        find_learning_rate,
        log_uniform,
        train,
        tune_batch,
        uniform,
    )

__version__ = "0.1.0"

__all__ = [
    "AnnvilError",
    "Augmentation",
    "Batches",
    "Callback",
    "Execution",
    "ImageClassifier",
    "ImageRegressor",
    "Logging",
    "MLPClassifier",
    "MLPRegressor",
    "Optimizer",
    "Regularization",
    "Result",
    "Results",
    "Run",
    "Schedule",
    "Search",
    "Stop",
    "TabMClassifier",
    "TabMRegressor",
    "__version__",
    "augment",
    "find_learning_rate",
    "fit",
    "list_runs",
    "load",
    "log_uniform",
    "open_run",
    "pretrain",
    "read",
    "resume",
    "train",
    "tune_batch",
    "uniform",
]

_HOMES = {
    "AnnvilError": "annvil.errors",
    "Augmentation": "annvil.preparation.augmentation",
    "Batches": "annvil.trainer",
    "Callback": "annvil.trainer",
    "Execution": "annvil.trainer",
    "ImageClassifier": "annvil.kinds.pictures.estimators",
    "ImageRegressor": "annvil.kinds.pictures.estimators",
    "Logging": "annvil.trainer",
    "MLPClassifier": "annvil.models.estimators",
    "MLPRegressor": "annvil.models.estimators",
    "Optimizer": "annvil.trainer",
    "Regularization": "annvil.trainer",
    "Result": "annvil.trainer",
    "Results": "annvil.trainer",
    "Run": "annvil.run",
    "Schedule": "annvil.trainer",
    "Search": "annvil.trainer",
    "Stop": "annvil.trainer",
    "TabMClassifier": "annvil.models.estimators",
    "TabMRegressor": "annvil.models.estimators",
    "augment": "annvil.kinds.pictures.augmented_sets",
    "find_learning_rate": "annvil.trainer",
    "fit": "annvil.run",
    "list_runs": "annvil.run",
    "load": "annvil.bundle.network",
    "log_uniform": "annvil.trainer",
    "open_run": "annvil.run",
    "pretrain": "annvil.kinds.pictures.contenders.pretraining",
    "read": "annvil.kinds.registry",
    "resume": "annvil.run",
    "train": "annvil.trainer",
    "tune_batch": "annvil.trainer",
    "uniform": "annvil.trainer",
}

__getattr__ = lazy_names(__name__, _HOMES)
