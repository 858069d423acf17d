"""`Images` as arrays and plain values, for `annvil.data.storage`."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from annvil.data.form import Arrays
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images, LeftOut, Store
from annvil.kinds.pictures.reading.decoding import FACTS


def to_arrays(images: Images) -> tuple[Arrays, dict[str, Any]]:
    """The pictures of these rows as arrays by name, and what describes them beside the form."""
    facts = np.ascontiguousarray(images.facts).view(np.uint8)
    alike = images.alike
    arrays: Arrays = {
        "pixels": images.pixels(),
        "facts": facts,
        "file_bytes": np.array(images.n_bytes),
    }
    if alike is not None:
        arrays["alike"] = np.array(alike)
    described: dict[str, Any] = {
        "names": [name.encode("utf-8", "replace").decode() for name in images.names()],
        "said": images.store.said,
        "left_out": images.store.left_out,
    }
    return arrays, described


def from_arrays(form: PictureForm, arrays: Arrays, described: dict[str, Any]) -> Images:
    """Pictures of that form from what `to_arrays` gave."""
    store = Store(
        arrays["pixels"],
        form,
        described["names"],
        arrays["facts"].view(FACTS),
        arrays["file_bytes"],
        tuple(described["said"]),
        msgspec.convert(described["left_out"], tuple[LeftOut, ...]),
        arrays.get("alike"),
    )
    return Images(store, np.arange(len(store.array)))
