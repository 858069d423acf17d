"""`Images` as arrays and plain values, for `annvil.data.storage`."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.kinds.pictures.form import ImageForm
from annvil.kinds.pictures.images import Images, LeftOut, Store
from annvil.kinds.pictures.reading.decoding import FACTS


def to_arrays(images: Images) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The pictures of these rows as arrays by name, and what describes them as JSON-able values."""
    facts = np.ascontiguousarray(images.facts).view(np.uint8)
    alike = images.alike
    arrays: dict[str, NDArray[Any]] = {
        "pixels": images.pixels(),
        "facts": facts,
        "file_bytes": np.array(images.n_bytes),
    }
    if alike is not None:
        arrays["alike"] = np.array(alike)
    described: dict[str, Any] = {
        "form": images.form,
        "names": [name.encode("utf-8", "replace").decode() for name in images.names()],
        "said": images.store.said,
        "left_out": images.store.left_out,
    }
    return arrays, described


def from_arrays(arrays: dict[str, NDArray[Any]], described: dict[str, Any]) -> Images:
    """What `to_arrays` gave."""
    store = Store(
        arrays["pixels"],
        msgspec.convert(described["form"], ImageForm),
        described["names"],
        arrays["facts"].view(FACTS),
        arrays["file_bytes"],
        tuple(described["said"]),
        msgspec.convert(described["left_out"], tuple[LeftOut, ...]),
        arrays.get("alike"),
    )
    return Images(store, np.arange(len(store.array)))
