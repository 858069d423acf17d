"""What a contender may know of data, how rows are split, and how files are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.data.dataset import ColumnNote as ColumnNote, Dataset as Dataset, Source as Source
    from annvil.data.findings import Finding as Finding
    from annvil.data.readers.samples import sample_names as sample_names
    from annvil.data.readers.values import canonical_text as canonical_text
    from annvil.data.splits import (
        Split as Split,
        inner_splits as inner_splits,
        nested_subset as nested_subset,
        outer_splits as outer_splits,
    )
    from annvil.data.table import (
        Column as Column,
        Field as Field,
        Table as Table,
        table_from_columns as table_from_columns,
    )

__getattr__, __all__ = lazily(__name__)
