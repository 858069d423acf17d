"""What a study of memory found, in words and numbers: one row per claim about feedback networks."""

from __future__ import annotations

from typing import Any

import msgspec

from annvil.plots.charts.panels import Panels
from annvil.sections import Rows, Section

KEY, TITLE = "feedback-and-feedforward", "What memory is worth, measured on these series"

ORDER = -10
"""Before the other sections."""

HEADER = ("What", "Feedback (GRU)", "Convolution (TCN)", "Bag of steps", "What it means here")

NOT_ASKED = "–"
"""A cell of a network of which this cannot be asked."""


class Finding(msgspec.Struct, frozen=True):
    """One row: what was measured, the three networks in words, one plain sentence, and the numbers behind it."""

    key: str
    what: str
    cells: tuple[str, str, str]
    sentence: str
    numbers: dict[str, Any] = {}


class FeedbackAndFeedforward(msgspec.Struct, frozen=True):
    """The table of a data set.

    Attributes
    ----------
    findings : the rows, in the order in which they are shown
    remarks : how it was measured, in sentences
    left_out : rows and trainings that are missing, and why, in sentences
    networks : all of them beside each other, the other kinds of feedback too
    charts : of single rows
    spent_seconds : wall clock of this study, all sittings together
    """

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    networks: Rows | None = None
    charts: tuple[Panels, ...] = ()
    spent_seconds: float = 0.0

    def __getitem__(self, key: str) -> Finding:
        """The row of that key, such as ``"shuffled"``; KeyError where there is none."""
        return {finding.key: finding for finding in self.findings}[key]

    def to_json(self) -> dict[str, Any]:
        """Everything but the charts, JSON-able."""
        values: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, charts=()))
        return values

    def sections(self) -> tuple[Section, ...]:
        """For the report: the table with its remarks and charts."""
        rows = tuple((one.what, *one.cells, one.sentence) for one in self.findings)
        said = (*self.remarks, *self.left_out)
        tables = (Rows(HEADER, rows), *([self.networks] if self.networks is not None else []))
        table = Section(KEY, TITLE, said, tables=tables, order=ORDER)
        if not self.charts:
            return (table,)
        return table, Section(f"{KEY}-curves", "Memory in curves", charts=self.charts, order=ORDER + 1)
