"""Series: values in the order of time, each series with an answer: a class, labels or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.kinds.series.form import SeriesForm as SeriesForm
    from annvil.kinds.series.kind import KIND as KIND
    from annvil.kinds.series.series import Series as Series

__getattr__, __all__ = lazily(__name__)
