"""From raw columns to what models take: learnt from training rows only, applied by NumPy, written into ONNX graphs."""

from __future__ import annotations

from annvil.preparation.augmentation import Augmentation
from annvil.preparation.base import Feature, Preparation, Prepared
from annvil.preparation.class_weights import class_weights, is_imbalanced
from annvil.preparation.for_linear import LinearPreparation
from annvil.preparation.for_networks import NetworkPreparation
from annvil.preparation.for_trees import TreePreparation
from annvil.preparation.target_scaling import TargetScaling

__all__ = [
    "Augmentation",
    "Feature",
    "LinearPreparation",
    "NetworkPreparation",
    "Preparation",
    "Prepared",
    "TargetScaling",
    "TreePreparation",
    "class_weights",
    "is_imbalanced",
]
