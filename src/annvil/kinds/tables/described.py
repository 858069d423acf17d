"""What was made of a table, in words."""

from __future__ import annotations

from collections.abc import Iterator

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.text.phrases import listed
from annvil.text.quantities import plain_count

_MOST_NAMES = 8
_PLURALS = {"number": "Numbers", "category": "Categories", "boolean": "Booleans", "datetime": "Dates"}


def described(dataset: Dataset[Table]) -> Iterator[tuple[str, str]]:
    """The source, and how each of its columns is used."""
    source = dataset.source
    about = f"{plain_count(dataset.n_rows, 'row')}, {plain_count(len(dataset.notes), 'column')}"
    yield "Data", f"{source.name}: {about}{'; ' + source.details if source.details else ''}"
    for kind, plural in _PLURALS.items():
        names = [name for name, found in dataset.inputs.form.columns if found == kind]
        if names:
            yield plural, f"{len(names)}: {listed(names, _MOST_NAMES)}"
