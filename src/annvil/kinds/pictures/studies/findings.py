"""What a study found, in words and numbers: one row per claim about dense and convolutional networks."""

from __future__ import annotations

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


class Detail(msgspec.Struct, frozen=True):
    """A further table of one row: heading, a sentence above it, the table."""

    key: str
    title: str
    sentence: str
    rows: Rows


class DenseAndConvolutional(msgspec.Struct, frozen=True):
    """The dense-versus-convolutional table of a data set.

    Attributes
    ----------
    findings : the rows, in the order in which they are shown
    remarks : how it was measured, in sentences
    left_out : rows that are missing, and why, in sentences
    details : further tables
    looks : what the first layers look for, as a section; None where that was not looked at
    spent_seconds : wall clock of this study, all sittings together; 0 for the table that every fit gets
    """

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()
    looks: Section | None = None
    spent_seconds: float = 0.0

    def __getitem__(self, key: str) -> Finding:
        """The row of that key, such as ``"structure"``; KeyError where there is none."""
        found = next((finding for finding in self.findings if finding.key == key), None)
        if found is None:
            raise KeyError(key)
        return found

    def table(self) -> list[dict[str, str]]:
        """One dict per row, with the keys ``what``, ``dense``, ``convolutional`` and ``meaning``."""
        return [
            {"what": f.what, "dense": f.dense, "convolutional": f.convolutional, "meaning": f.sentence}
            for f in self.findings
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures, JSON-able."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        del values["looks"]
        return values

    def sections(self) -> tuple[Section, ...]:
        """For the report: the table with its remarks, and below it what belongs to single rows."""
        rows = tuple((f.what, f.dense, f.convolutional, f.sentence) for f in self.findings)
        tables = (Rows(HEADER, rows),) if rows else ()
        main = Section(KEY, TITLE, (*self.remarks, *self.left_out), tables=tables, order=ORDER)
        more = tuple(
            Section(f"{KEY}-{detail.key}", detail.title, (detail.sentence,), tables=(detail.rows,), order=ORDER + place)
            for place, detail in enumerate(self.details, 1)
        )
        return (main, *more, *([self.looks] if self.looks is not None else []))
