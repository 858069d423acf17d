"""From raw columns to what models take: learnt from training rows only, applied by NumPy, written into ONNX graphs."""

from __future__ import annotations

from annvil.preparation.base import Preparation
from annvil.preparation.class_weights import class_weights, is_imbalanced
from annvil.preparation.for_models import (
    LinearPreparation,
    NetworkPreparation,
    SplinePreparation,
    TreePreparation,
)
from annvil.preparation.target_scaling import TargetScaling

__all__ = [
    "LinearPreparation",
    "NetworkPreparation",
    "Preparation",
    "SplinePreparation",
    "TargetScaling",
    "TreePreparation",
    "class_weights",
    "is_imbalanced",
]
