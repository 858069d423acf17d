"""The saved model: an ONNX graph from raw values to predictions, a manifest, and weights for going on training.

No pickle anywhere, and loading never runs code from a bundle. Predicting needs onnxruntime and NumPy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.bundle.manifest import Info as Info, Manifest as Manifest
    from annvil.bundle.predictor import Predictor as Predictor, load as load, load_weights as load_weights
    from annvil.bundle.saving import export as export, export_step as export_step, save as save
    from annvil.bundle.stream import Stream as Stream
    from annvil.data.form import InputNotice as InputNotice

__getattr__, __all__ = lazily(__name__)
