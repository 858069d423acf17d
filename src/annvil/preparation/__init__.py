"""From raw columns to what models take: learnt from training rows only, applied by NumPy, written into ONNX graphs."""

from __future__ import annotations

from annvil.preparation.augmentation import Augmentation
from annvil.preparation.base import Feature, Preparation, Prepared
from annvil.preparation.imbalance import class_weights, is_imbalanced
from annvil.preparation.linear import LinearPreparation
from annvil.preparation.network import NetworkPreparation
from annvil.preparation.target import TargetScaling
from annvil.preparation.tree import TreePreparation

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
