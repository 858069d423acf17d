"""Read anything into one `Dataset`; check it; split it. What a contender may know of data is in `annvil.data.table`."""

from __future__ import annotations

from annvil._lazy import lazy_names
from annvil.data.table import Column, ColumnNote, Dataset, Field, Source, Table, table_from_columns

__all__ = [
    "Column",
    "ColumnNote",
    "Dataset",
    "Field",
    "Finding",
    "Rows",
    "Source",
    "Table",
    "audit",
    "canonical_text",
    "conform",
    "inner_splits",
    "nested_subset",
    "outer_splits",
    "read",
    "sample_names",
    "table_from_columns",
]

_HOMES = {
    "Finding": "annvil.data.findings",
    "Rows": "annvil.data.splits",
    "audit": "annvil.data.auditing",
    "canonical_text": "annvil.data.text",
    "conform": "annvil.data.conforming",
    "inner_splits": "annvil.data.splits",
    "nested_subset": "annvil.data.splits",
    "outer_splits": "annvil.data.splits",
    "read": "annvil.data.reading",
    "sample_names": "annvil.data.samples",
}

__getattr__ = lazy_names(__name__, _HOMES)
