"""Pictures: found in folders, tables of labels, archives and arrays; decoded once into uint8; checked; asked for again.

Pillow decodes files and resizes; predicting from arrays of a fitting size does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names
from annvil.kinds.pictures.form import PictureForm

if TYPE_CHECKING:
    from annvil.kinds.pictures.kind import KIND

__all__ = ["KIND", "Images", "PictureForm", "conform_images", "images_from_arrays", "read_images"]

_HOMES = {
    "KIND": "annvil.kinds.pictures.kind",
    "Images": "annvil.kinds.pictures.images",
    "conform_images": "annvil.kinds.pictures.conform",
    "images_from_arrays": "annvil.kinds.pictures.reading.arrays",
    "read_images": "annvil.kinds.pictures.reading.read_images",
}

__getattr__ = lazy_names(__name__, _HOMES)
