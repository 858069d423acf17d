"""The saved model: an ONNX graph from raw values to predictions, a manifest, and weights for going on training.

No pickle anywhere, and loading never runs code from a bundle. Predicting needs onnxruntime and NumPy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.bundle.manifest import Info, Manifest
    from annvil.bundle.predictor import Predictor, load, load_weights
    from annvil.bundle.saving import export, save
    from annvil.data.form import InputNotice

__all__ = ["Info", "InputNotice", "Manifest", "Predictor", "export", "load", "load_weights", "save"]

_HOMES = {
    "Info": "annvil.bundle.manifest",
    "InputNotice": "annvil.data.form",
    "Manifest": "annvil.bundle.manifest",
    "Predictor": "annvil.bundle.predictor",
    "export": "annvil.bundle.saving",
    "load": "annvil.bundle.predictor",
    "load_weights": "annvil.bundle.predictor",
    "save": "annvil.bundle.saving",
}

__getattr__ = lazy_names(__name__, _HOMES)
