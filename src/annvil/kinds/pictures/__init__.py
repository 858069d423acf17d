"""Pictures: found in folders, tables of labels, archives and arrays; decoded once into uint8; checked; asked for again.

Pillow decodes files and resizes; predicting from arrays of a fitting size does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.kinds.pictures.conform import conform_images as conform_images
    from annvil.kinds.pictures.form import PictureForm as PictureForm
    from annvil.kinds.pictures.images import Images as Images
    from annvil.kinds.pictures.kind import KIND as KIND
    from annvil.kinds.pictures.reading.arrays import images_from_arrays as images_from_arrays
    from annvil.kinds.pictures.reading.read_images import read_images as read_images

__getattr__, __all__ = lazily(__name__)
