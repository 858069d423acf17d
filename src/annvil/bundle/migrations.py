"""Manifests of earlier versions, brought forward one numbered step at a time.

A step takes and gives plain values as they stand in JSON. What a step reads is checked as strictly as when its version
was the latest; what it leaves alone, the types of the latest version check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

Plain = dict[str, Any]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    height: int
    width: int
    channels: int
    fit: str = "pad"
    low: float = 0.0
    high: float = 0.0


class _Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    kind: str
    style: str = ""
    form: _Form | None = None


def _forms(manifest: Plain) -> Plain:
    """1 → 2: one ``schema`` of columns, a picture among them, becomes a form of its kind; neutral names."""
    fields = msgspec.convert(manifest.pop("schema", None), tuple[_Field, ...])
    info = dict(msgspec.convert(manifest.get("info"), Plain))
    missing = info.pop("missing", [])
    if "eight_bits" in info:
        info["quantization"] = info.pop("eight_bits")
    pictured = [field for field in fields if field.kind == "image" or field.form is not None]
    form: Plain = {"kind": "tables", "missing": missing}
    form["fields"] = [{"name": field.name, "kind": field.kind, "style": field.style} for field in fields]
    if pictured:
        (field,) = fields if len(fields) == 1 else (None,)
        if field is None or field.form is None or field.kind != "image":
            raise msgspec.ValidationError("a model of pictures has one input, which has a form")
        form = {"kind": "pictures", "column": field.name, **msgspec.structs.asdict(field.form)}
    return manifest | {"form": form, "info": info}


def _per_cent(manifest: Plain) -> Plain:
    """2 → 3: styles say whether a column has per cent signs; before, "12%" was 12 in every column of numbers."""
    form = manifest.get("form")
    if not isinstance(form, dict) or form.get("kind") != "tables":
        return manifest
    fields = msgspec.convert(form.get("fields"), tuple[_Field, ...])
    styled = [
        {"name": f.name, "kind": f.kind, "style": f"{f.style} percent".strip() if f.kind == "number" else f.style}
        for f in fields
    ]
    return manifest | {"form": form | {"fields": styled}}


def _seen(manifest: Plain) -> Plain:
    """3 → 4: forms may say what training held; without it nothing is told of rows that are unlike it."""
    return manifest


def _stepping(manifest: Plain) -> Plain:
    """4 → 5: there may be a graph of one step beside that of whole series."""
    return manifest


def _explaining(manifest: Plain) -> Plain:
    """5 → 6: there may be what explains the model beside it."""
    return manifest


_STEPS: tuple[Callable[[Plain], Plain], ...] = (_forms, _per_cent, _seen, _stepping, _explaining)
"""Step ``i`` takes version ``i + 1`` to the next."""

FORMAT_VERSION = len(_STEPS) + 1
"""The latest version, which is written."""


def migrated(manifest: Plain, version: int) -> Plain:
    """A manifest of that version as one of the latest.

    Raises
    ------
    msgspec.ValidationError
        When there was no such version, or the manifest was none of it.
    """
    if version < 1:
        raise msgspec.ValidationError(f"there is no format version {version}")
    for step in _STEPS[version - 1 :]:
        manifest = step(manifest)
    return manifest | {"format_version": FORMAT_VERSION}
