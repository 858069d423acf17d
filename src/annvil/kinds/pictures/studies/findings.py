"""What a study found, in words and numbers: one row per claim about dense and convolutional networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from annvil.sections import Rows, Section

KEY, TITLE = "dense-and-convolutional", "Dense or convolutional, measured on these pictures"

ORDER = -10
"""Before the other sections: a table first, pictures after it."""

HEADER = ("What", "Dense network", "Convolutional network", "What it means here")


class Finding(msgspec.Struct, frozen=True):
    """One row: what was measured, both networks in words, one plain sentence, and the numbers behind it."""

    key: str
    what: str
    dense: str
    convolutional: str
    sentence: str
    numbers: dict[str, Any] = {}


def row_of(key: str, what: str, cells: Iterable[str], sentence: str, numbers: dict[str, Any]) -> Finding:
    """A row; ``cells`` are of the dense network and of the convolutional one."""
    dense, convolutional = cells
    return Finding(key, what, dense, convolutional, sentence, numbers)


class DenseAndConvolutional(msgspec.Struct, frozen=True):
    """The dense-versus-convolutional table of a data set.

    Attributes
    ----------
    findings : the rows, in the order in which they are shown
    remarks : how it was measured, in sentences
    left_out : rows that are missing, and why, in sentences
    details : further tables and pictures of single rows, as sections
    spent_seconds : wall clock of this study, all sittings together; 0 for the table that every fit gets
    """

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    details: tuple[Section, ...] = ()
    spent_seconds: float = 0.0

    def __getitem__(self, key: str) -> Finding:
        """The row of that key, such as ``"structure"``; KeyError where there is none."""
        return {finding.key: finding for finding in self.findings}[key]

    def table(self) -> list[dict[str, str]]:
        """One dict per row, with the keys ``what``, ``dense``, ``convolutional`` and ``meaning``."""
        return [
            {"what": f.what, "dense": f.dense, "convolutional": f.convolutional, "meaning": f.sentence}
            for f in self.findings
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures, JSON-able."""
        details = tuple(msgspec.structs.replace(detail, pictures=()) for detail in self.details)
        values: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, details=details))
        return values

    def sections(self) -> tuple[Section, ...]:
        """For the report: the table with its remarks, and below it what belongs to single rows."""
        rows = tuple((f.what, f.dense, f.convolutional, f.sentence) for f in self.findings)
        tables = (Rows(HEADER, rows),) if rows else ()
        return (Section(KEY, TITLE, (*self.remarks, *self.left_out), tables=tables, order=ORDER), *self.details)
