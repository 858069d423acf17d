"""Rows of a comparison, as a list of dicts that prints as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, overload

MOST_SHOWN = 20  # rows that are printed (assumed: a screen); all are in the list


class Table(Sequence[Mapping[str, Any]]):
    """A list of rows, each a dict; printed, or shown by a notebook, it is a table."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Table: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Table:
        return Table(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of their first appearance."""
        return tuple(dict.fromkeys(name for row in self._rows for name in row))

    def __str__(self) -> str:
        cells, numeric = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        sides = [str.rjust if right else str.ljust for right in numeric]
        lines = [
            "  ".join(side(text, width) for text, width, side in zip(line, widths, sides, strict=True)).rstrip()
            for line in cells
        ]
        return "\n".join([*lines, *self._more()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        (head, *body), numeric = self._cells()
        sides = ["right" if right else "left" for right in numeric]

        def line(tag: str, texts: Sequence[str]) -> str:
            pairs = zip(texts, sides, strict=True)
            return "<tr>" + "".join(f'<{tag} style="text-align:{s}">{escape(t)}</{tag}>' for t, s in pairs) + "</tr>"

        rows = "".join(line("td", texts) for texts in body)
        more = "".join(f"<p>{escape(text)}</p>" for text in self._more())
        return f"<table><thead>{line('th', head)}</thead><tbody>{rows}</tbody></table>{more}"

    def _cells(self) -> tuple[list[list[str]], list[bool]]:
        """What is printed, the names of the columns first; and which columns hold numbers."""
        known = [[row[name] for row in self._rows if row.get(name) is not None] for name in self.columns]
        numeric = [all(isinstance(v, int | float) and not isinstance(v, bool) for v in values) for values in known]
        shown = [[_shown(row.get(name)) for name in self.columns] for row in self._rows[:MOST_SHOWN]]
        return [list(self.columns), *shown], numeric

    def _more(self) -> list[str]:
        left = len(self._rows) - MOST_SHOWN
        return [f"… and {left} more"] if left > 0 else []


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
