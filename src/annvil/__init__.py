"""Annvil: is a neural network the right tool for this data? An answer with evidence, and the model to ship."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from annvil._lazy import lazily

# Idle OpenMP threads that spin take up to ten times a step's time on busy cores; libgomp reads this when it loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Nobody is told of anything (annvil.system.onnx_runtime says what this stops); set here for whoever imports it first.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


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


__version__ = "0.1.0"

if TYPE_CHECKING:
    from annvil.bundle.network import load as load
    from annvil.errors import AnnvilError as AnnvilError
    from annvil.kinds.forecasts.estimators import Forecaster as Forecaster
    from annvil.kinds.pictures.augmented_sets import augment as augment
    from annvil.kinds.pictures.estimators import ImageClassifier as ImageClassifier, ImageRegressor as ImageRegressor
    from annvil.kinds.pictures.starts.pretraining import pretrain as pretrain
    from annvil.kinds.registry import read as read
    from annvil.kinds.series.estimators import (
        SequenceClassifier as SequenceClassifier,
        SequenceRegressor as SequenceRegressor,
    )
    from annvil.kinds.sound.estimators import SoundClassifier as SoundClassifier
    from annvil.models.additive_estimators import (
        AdditiveClassifier as AdditiveClassifier,
        AdditiveRegressor as AdditiveRegressor,
    )
    from annvil.models.estimators import (
        MLPClassifier as MLPClassifier,
        MLPRegressor as MLPRegressor,
        TabMClassifier as TabMClassifier,
        TabMRegressor as TabMRegressor,
    )
    from annvil.models.index_estimators import IndexClassifier as IndexClassifier, IndexRegressor as IndexRegressor
    from annvil.preparation.augmentation import Augmentation as Augmentation
    from annvil.run import Run as Run, fit as fit, list_runs as list_runs, open_run as open_run, resume as resume
    from annvil.trainer import (
        Batches as Batches,
        Callback as Callback,
        Execution as Execution,
        Logging as Logging,
        Optimizer as Optimizer,
        Regularization as Regularization,
        Result as Result,
        Results as Results,
        Schedule as Schedule,
        Search as Search,
        Stop as Stop,
        find_learning_rate as find_learning_rate,
        log_uniform as log_uniform,
        train as train,
        tune_batch as tune_batch,
        uniform as uniform,
    )

__getattr__, __all__ = lazily(__name__, "__version__")
