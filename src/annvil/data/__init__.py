"""What a contender may know of data (`annvil.data.table`), how rows are split, and how files are read."""

from __future__ import annotations

from annvil._lazy import lazy_names
from annvil.data.table import Column, ColumnNote, Dataset, Field, Source, Table, table_from_columns

__all__ = [
    "Column",
    "ColumnNote",
    "Dataset",
    "Field",
    "Finding",
    "Source",
    "Split",
    "Table",
    "canonical_text",
    "inner_splits",
    "nested_subset",
    "outer_splits",
    "sample_names",
    "table_from_columns",
]

_HOMES = {
    "Finding": "annvil.data.findings",
    "Split": "annvil.data.splits",
    "canonical_text": "annvil.data.readers.values",
    "inner_splits": "annvil.data.splits",
    "nested_subset": "annvil.data.splits",
    "outer_splits": "annvil.data.splits",
    "sample_names": "annvil.data.readers.samples",
}

__getattr__ = lazy_names(__name__, _HOMES)
