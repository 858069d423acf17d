"""Texts that hardly repeat: how they begin, whether there is one, or nothing of them reaches a model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from annvil.data.dataset import ColumnNote, LeftOut
from annvil.data.readers.beginnings import telling_beginning
from annvil.data.readers.convert import as_category
from annvil.data.readers.raw import RawColumn
from annvil.data.readers.values import GIVEN
from annvil.data.table import Column, Field
from annvil.kinds.tables.identifiers import FEW_ROWS
from annvil.kinds.tables.judged import Judged, asking, kept, left_out

TELLING_GAPS = (0.02, 0.98)
"""Shares of gaps between which it may tell something whether there is a value (assumed)."""


def hardly_repeats(levels: tuple[str, ...], n_present: int) -> tuple[LeftOut, str] | None:
    """Why texts are no category, or None where they repeat at least twice on average."""
    if n_present < FEW_ROWS or 2 * len(levels) <= n_present:
        return None
    words = float(np.mean([len(text.split()) for text in levels[:5000]]))
    length = float(np.mean([len(text) for text in levels[:5000]]))
    many = f"{len(levels)} different texts in {n_present} rows"
    if words >= 3 or length >= 40:
        return "text", f"free text: {many}, {words:.0f} words on average; models of tables cannot read it"
    return "identifier", f"{many}: they hardly repeat, too rarely to learn from single ones"


def by_beginning(raw: RawColumn, column: Column, missing: Collection[str]) -> Judged | None:
    """Of texts that hardly repeat, how they begin, where that repeats; None where it does not."""
    counts = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
    style = telling_beginning(column.levels, counts.astype(np.int64))
    if not style:
        return None
    begun = as_category(raw, Field(raw.name, "category", style), missing=missing)
    how = "the letters in front" if style == "letters" else "what stands before the first sign"
    said = f"{len(column.levels)} different texts, which hardly repeat; models get how they begin, {how}"
    judged = kept(raw, begun, f"{said} ({len(begun.levels)} different)")
    whole = f"to keep the whole texts, ask for it: {asking(raw.name, 'category')}"
    return replace(judged, note=replace(judged.note, reason=f"{judged.note.reason}; {whole}"))


def whether_given(raw: RawColumn, reason: str, n_unique: int, missing: Collection[str]) -> Judged:
    """Of texts that hardly repeat, which rows have one. No examples: they may be names and addresses of persons."""
    column = as_category(raw, Field(raw.name, "boolean", GIVEN), missing=missing)
    said = f"{reason}; models get only whether there is one"
    return Judged(ColumnNote(raw.name, "boolean", True, said, int(column.missing.sum()), n_unique), column)


def by_examples(raw: RawColumn) -> Judged:
    """A column of a long file whose texts nearly all differ, judged by a thousand of them."""
    n_unique = raw.about_unique or 0
    kind, reason = hardly_repeats(raw.levels, len(raw.levels)) or ("text", "texts that hardly repeat")
    reason = reason.replace(
        f"{len(raw.levels)} different texts in {len(raw.levels)} rows", f"about {n_unique} different texts"
    )
    return left_out(raw, kind, reason, 0, n_unique, raw.levels[:3], keep="category")
