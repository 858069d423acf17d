"""What a study of networks and the earlier way found, in words and numbers."""

from __future__ import annotations

from typing import Any

import msgspec

from annvil.sections import Rows, Section

KEY, TITLE = "networks-and-earlier", "What networks bring over hidden Markov models"

ORDER = -10
"""Before the other sections."""


class Finding(msgspec.Struct, frozen=True):
    """One row: what was measured, both sides in words, one plain sentence, and the numbers behind it."""

    key: str
    what: str
    cells: tuple[str, str]
    sentence: str
    numbers: dict[str, Any] = {}


class NetworksAndEarlier(msgspec.Struct, frozen=True):
    """The tables of a run.

    Attributes
    ----------
    findings : the rows, in the order in which they are shown
    remarks : how they were found, in sentences
    network : title of the network that stood for its side most often
    speakers : shares of clips that are right, speaker by speaker, the one whom networks help least first; None where
        speakers are not known
    """

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    network: str
    speakers: Rows | None = None

    def __getitem__(self, key: str) -> Finding:
        """The row of that key, such as ``"score"``; KeyError where there is none."""
        return {finding.key: finding for finding in self.findings}[key]

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    def sections(self) -> tuple[Section, ...]:
        """For the report: both tables with the remarks."""
        rows = tuple((one.what, *one.cells, one.sentence) for one in self.findings)
        header = ("What", "Hidden Markov models", "Networks", "What it means here")
        tables = (Rows(header, rows), *([self.speakers] if self.speakers is not None else []))
        return (Section(KEY, TITLE, self.remarks, tables=tables, order=ORDER),)
