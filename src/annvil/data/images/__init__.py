"""Pictures: found in folders, tables of labels, archives and arrays; decoded once into uint8; checked; asked for again.

Needs Pillow (the extra ``images``) for files and for resizing; arrays of a fitting size do without.
"""

from __future__ import annotations

from annvil._lazy import lazy_names
from annvil.data.images.form import ImageForm

__all__ = ["ImageForm", "Images", "conform_images", "images_from_arrays", "read_images"]

_HOMES = {
    "Images": "annvil.data.images.pictures",
    "conform_images": "annvil.data.images.conforming",
    "images_from_arrays": "annvil.data.images.arrays",
    "read_images": "annvil.data.images.reading",
}

__getattr__ = lazy_names(__name__, _HOMES)
