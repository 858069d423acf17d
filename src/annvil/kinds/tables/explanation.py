"""`annvil explain` of tables: rows one by one, and the whole model, as sentences, a page, CSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from annvil.attribution.explained import Explained
from annvil.bundle import Predictor, load
from annvil.bundle.changing import Counterfactual
from annvil.bundle.explaining import explanation_of
from annvil.data.form import Conformed
from annvil.errors import RequestError
from annvil.kinds.tables.explain_options import TableExplainOptions
from annvil.sections import Section
from annvil.tasks.base import IntArray
from annvil.text.phrases import named
from annvil.text.quantities import plain_count
from annvil.text.safe import as_csv

MOST_DRAWN = 50
"""Rows that a page draws, where it is not told which (assumed: more is not read)."""

MOST_SAID = 20
"""Rows that are told on the terminal, likewise."""


@dataclass(frozen=True)
class Some:
    """The first of the rows that were asked for, and what would change what is said of them, where that was asked."""

    explained: Explained
    changes: tuple[Counterfactual, ...]


class RowsExplained:
    """Rows of a table; no more of them are explained than are looked at.

    Attributes
    ----------
    numbers : of the rows, from 1
    notices : what was made of all rows that were given
    """

    def __init__(
        self,
        predictor: Predictor,
        conformed: Conformed,
        rows: IntArray,
        label: str | None,
        options: TableExplainOptions,
    ) -> None:
        self._predictor, self._inputs, self._options = predictor, conformed.inputs.take(rows), options
        self._label = label
        self.numbers: tuple[int, ...] = tuple((rows + 1).tolist())
        self.notices = conformed.notices
        self._some = self._explain(min(len(rows), 1))  # what is refused is refused at once

    def first(self, n: int) -> Some:
        """The first ``n`` of the rows, or more where they are known already."""
        if n > len(self._some.explained):
            self._some = self._explain(n)
        return self._some

    def _explain(self, n: int) -> Some:
        inputs, options = self._inputs.take(slice(0, n)), self._options
        explained = self._predictor.explain(inputs, options.method or "auto", self._label)
        if options.change is None:
            return Some(explained, ())
        single = (inputs.take(slice(row, row + 1)) for row in range(n))
        changes = tuple(self._predictor.counterfactual(row, options.change, options.wanted) for row in single)
        return Some(explained, changes)

    def _all(self) -> Some:
        return self.first(len(self.numbers))

    def _shown(self, most: int) -> int:
        """Rows that are shown: all that were named, and of a whole file no more than ``most``."""
        return len(self.numbers) if self._options.rows is not None else min(most, len(self.numbers))

    def sentences(self) -> tuple[str, ...]:
        """Of each row, and whether it may be believed."""
        shown = self._shown(MOST_SAID)
        some = self.first(shown)
        said: list[str] = list(self.notices)
        for place in range(shown):
            said.append(f"Row {self.numbers[place]}. {some.explained.sentences(place)[0]}")
            said += some.changes[place].sentences() if some.changes else ()
        if left := len(self.numbers) - shown:
            said.append(f"{plain_count(left, 'more row is', 'more rows are')} not told here: use --rows, or -o.")
        return (*said, some.explained.faithful)

    def written(self, ending: str) -> bytes:
        """A page, a CSV file of one line for each row, or JSON."""
        if ending == ".csv":
            return self._csv().encode("utf-8", errors="replace")
        if ending == ".json":
            return msgspec.json.format(msgspec.json.encode(self.to_json()), indent=1)
        return self._page().encode("utf-8")

    def _csv(self) -> str:
        some = self._all()
        columns: dict[str, Sequence[Any]] = {"row": self.numbers, **some.explained.to_columns()}
        if some.changes:
            columns["change"] = [" ".join(one.sentences()) for one in some.changes]
        return as_csv(list(columns), zip(*columns.values(), strict=True))

    def _page(self) -> str:
        from annvil.report.sections_page import render_sections

        shown = self._shown(MOST_DRAWN)
        some = self.first(shown)
        lead = [some.explained.faithful, *self.notices]
        if shown < len(self.numbers):
            lead.append(f"Drawn are the first {shown} of {plain_count(len(self.numbers), 'row')}.")
        sections = [
            Section(
                key=f"row-{self.numbers[place]}",
                title=f"Row {self.numbers[place]}: {some.explained.said[place]}",
                sentences=tuple(some.changes[place].sentences()) if some.changes else (),
                steps=(some.explained.chart(place),),
            )
            for place in range(shown)
        ]
        title = f"Why {_titled(self._predictor)} says what it says of {self._predictor.task.target}"
        return render_sections(title, lead, sections)

    def to_json(self) -> dict[str, Any]:
        """JSON-able: `Explained.to_json` with the numbers of the rows, and changes where they were asked for."""
        some = self._all()
        plain = some.explained.to_json() | {"notices": list(self.notices)}
        for place, row in enumerate(plain["rows"]):
            row["row"] = self.numbers[place]
            if some.changes:
                row["change"] = some.changes[place].to_json()
        return plain


def explain_rows(model: Path, source: Any, label: str | None, options: TableExplainOptions) -> RowsExplained:
    """The rows of a file, a frame or whatever the model takes.

    Raises
    ------
    DataError, RequestError
        When they cannot be read, or a row, a class, a column or a method is unknown.
    """
    predictor = load(model)
    explanation_of(predictor)
    if options.wanted is not None and options.change is None:
        raise RequestError("--wanted goes with --change, which names the columns that may be changed.")
    where = str(source) if isinstance(source, str | Path) else "the rows to explain"
    conformed = predictor.conform(source, where=where)
    n_rows = conformed.inputs.n_rows
    rows = np.arange(n_rows) if options.rows is None else _rows(options.rows, n_rows, where)
    return RowsExplained(predictor, conformed, rows, label, options)


def _rows(asked: str, n_rows: int, where: str) -> IntArray:
    """Places from 0 of rows written as ``"1,4-6"``, the first of which is 1."""
    found: list[int] = []
    for part in str(asked).split(","):
        first, dash, last = (text.strip() for text in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise RequestError(f"--rows are numbers of rows such as 3, 1-20 or 1,4-6; got {asked!r}.")
        low, high = int(first), int(last) if dash else int(first)
        if not 1 <= low <= high <= n_rows:
            has = plain_count(n_rows, "row")
            raise RequestError(f"--rows {asked} goes beyond {where}, which has {has}; the first is 1.")
        found += range(low - 1, high)
    return np.array(list(dict.fromkeys(found)), dtype=np.int64)


def _titled(predictor: Predictor) -> str:
    title = predictor.manifest.info.title
    return named(title) if title else "the model"


@dataclass(frozen=True)
class WholeExplained:
    """What a saved model does, as far as it was measured when it was made."""

    predictor: Predictor

    def sentences(self) -> tuple[str, ...]:
        """What drives it, what it ignores, where it is unsure, and tests that failed."""
        stored = explanation_of(self.predictor)
        failed = [check.said for check in stored.checks if not check.passed]
        if not stored.effects:
            said = "What this model does was not measured, for want of time or because it is a team or a baseline: fit "
            said += "with a longer --budget. Single rows can be explained: annvil explain RUN FILE."
            return (said,)
        return (*failed, *stored.sentences)

    def written(self, ending: str) -> bytes:
        """A page, a CSV file of effects, or JSON."""
        if ending == ".json":
            return msgspec.json.format(msgspec.json.encode(self.to_json()), indent=1)
        if ending == ".csv":
            return self._csv().encode("utf-8", errors="replace")
        return self._page().encode("utf-8")

    def _csv(self) -> str:
        rows: list[tuple[Any, ...]] = []
        for effect in explanation_of(self.predictor).effects:
            axes: list[Sequence[Any]] = [axis.levels or axis.values for axis in effect.axes]
            places = [(x, y) for x in axes[0] for y in (axes[1] if len(axes) > 1 else [""])]
            low, high = effect.low or [""] * len(places), effect.high or [""] * len(places)
            for (x, y), value, least, most in zip(places, effect.values, low, high, strict=True):
                rows.append((effect.name, effect.output, x, y, value, least, most))
        return as_csv(["effect", "output", "at", "at_second", "value", "low", "high"], rows)

    def _page(self) -> str:
        from annvil.kinds.tables.sections.effects import section_of_saved
        from annvil.report.sections_page import render_sections

        sections = section_of_saved(self.predictor)
        lead = [] if sections else list(self.sentences())
        return render_sections(f"What {_titled(self.predictor)} does: {self.predictor.task.target}", lead, sections)

    def to_json(self) -> dict[str, Any]:
        """JSON-able: sentences, effects with bands, and tests."""
        stored = explanation_of(self.predictor)
        return {
            "sentences": list(self.sentences()),
            "effects": msgspec.to_builtins(stored.effects),
            "checks": msgspec.to_builtins(stored.checks),
            "background": stored.background.said,
        }


def explain_whole(model: Path) -> WholeExplained:
    """The model saved in a folder.

    Raises
    ------
    RequestError
        When it carries nothing to explain it by.
    """
    predictor = load(model)
    explanation_of(predictor)
    return WholeExplained(predictor)
