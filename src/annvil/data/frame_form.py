"""The form of the rows of a frame, from the types of its columns alone."""

from __future__ import annotations

from typing import Any

from annvil.data.form import Form
from annvil.data.table import Field, table_form


def frame_form(X: Any) -> Form | None:
    """The form of a frame's rows; None for arrays, and for frames of numbers, which are as good as arrays."""
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return None
    if all(dtype.is_numeric() for dtype in frame.schema.values()):
        return None
    return table_form([_field(str(name), dtype) for name, dtype in frame.schema.items()])


def _field(name: str, dtype: Any) -> Field:
    """How a column of that type is read: texts as they are written, durations and times of day as seconds."""
    import narwhals as nw

    if dtype.is_numeric():
        return Field(name, "number")
    if dtype in (nw.Duration, nw.Time):
        return Field(name, "number", "time")
    if dtype.is_temporal():
        return Field(name, "datetime")
    return Field(name, "boolean") if dtype == nw.Boolean else Field(name, "category", "written")
