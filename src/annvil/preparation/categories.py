"""Categories as numbers: each text is looked up once, for one-hot columns, ±1, target means or embedding codes.

A missing category is the text ``""``. Where it occurs in the training rows it is a level like any other, so that being
missing can mean something; otherwise it is an unknown one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from annvil.data.table import Column, Table
from annvil.onnx.builder import ML, Graph, Value
from annvil.preparation.base import Feature, FloatMatrix, some, with_levels
from annvil.tasks.base import IntArray
from annvil.text.quantities import plain_count

MISSING = ""


@dataclass(frozen=True)
class TextColumn:
    """One category or boolean column among the training rows.

    Attributes
    ----------
    name : the column's name
    position : among the table's texts
    levels : texts that occur, sorted; ``""`` comes first where values are missing
    counts : int64: how often each occurs
    codes : int64 ``(n_rows,)``: each row's place in ``levels``
    """

    name: str
    position: int
    levels: tuple[str, ...]
    counts: IntArray
    codes: IntArray

    @property
    def n_levels(self) -> int:
        """How many levels occur, missing not counted."""
        return len(self.levels) - self.has_missing

    @property
    def has_missing(self) -> bool:
        """Whether a training row misses its category."""
        return MISSING in self.levels[:1]


def text_columns(inputs: Table) -> tuple[TextColumn, ...]:
    """The text columns of the training rows. Levels are sorted: the order of the rows and of the file do not matter."""
    return tuple(_text_column(column, position) for position, column in enumerate(_texts(inputs)))


def _text_column(column: Column, position: int) -> TextColumn:
    known = [MISSING, *column.levels]
    counts = np.bincount(column.values.astype(np.int64) + 1, minlength=len(known))
    seen = sorted(np.flatnonzero(counts).tolist(), key=known.__getitem__)
    place = np.zeros(len(known), dtype=np.int64)
    place[seen] = np.arange(len(seen))
    levels = tuple(known[i] for i in seen)
    return TextColumn(column.name, position, levels, counts[seen].astype(np.int64), place[column.values + 1])


def _texts(inputs: Table) -> list[Column]:
    return [column for column in inputs.columns if column.field.is_text]


@dataclass(frozen=True)
class Lookup:
    """What a category column becomes: a row of a small table for each text, the same for all unknown texts.

    Attributes
    ----------
    position : of the column among the table's texts
    slots : known text → row of ``table``
    unknown : row of ``table`` for all other texts
    table : float32 ``(n_slots, width)``
    features : one per column of ``table``
    """

    position: int
    slots: Mapping[str, int]
    unknown: int
    table: FloatMatrix
    features: tuple[Feature, ...]

    @property
    def same_as(self) -> tuple[Any, ...]:
        """Lookups for which this is equal can be one."""
        return tuple(self.slots.items()), self.unknown, self.table.tobytes()


@dataclass(frozen=True)
class LookupPart:
    """Category columns as float columns.

    ``lookups`` with the same texts and values (many yes/no columns) lie side by side, so that a graph does them as one.
    """

    lookups: tuple[Lookup, ...]
    about: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[Feature, ...]:
        """Those of all lookups, in order."""
        return tuple(feature for lookup in self.lookups for feature in lookup.features)

    def apply(self, inputs: Table, out: FloatMatrix) -> None:
        columns = _texts(inputs)
        start = 0
        for lookup in self.lookups:
            stop = start + lookup.table.shape[1]
            slots = slots_of(columns[lookup.position], lookup.slots, lookup.unknown)
            out[:, start:stop] = lookup.table[slots]
            start = stop

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """The same as nodes: two per group of single columns, three per one-hot column."""
        blocks = []
        for _, group in groupby(self.lookups, key=lambda lookup: lookup.same_as):
            lookups = list(group)
            if lookups[0].table.shape[1] == 1:
                blocks.append(_write_single(graph, texts, lookups))
            else:
                blocks.extend(_write_wide(graph, texts, lookup) for lookup in lookups)
        return graph.concat(blocks)


def lookup_part(lookups: Sequence[Lookup], about: Sequence[str]) -> LookupPart:
    """The part, its lookups ordered so that equal ones are neighbours."""
    first: dict[Any, int] = {}
    for place, lookup in enumerate(lookups):
        first.setdefault(lookup.same_as, place)
    return LookupPart(tuple(sorted(lookups, key=lambda lookup: first[lookup.same_as])), tuple(about))


def _write_single(graph: Graph, texts: Value, lookups: Sequence[Lookup]) -> Value:
    lookup = lookups[0]
    values = lookup.table[:, 0].tolist()
    slots = _not_empty(lookup.slots, lookup.unknown)
    return graph.op(
        "LabelEncoder",
        graph.columns(texts, [same.position for same in lookups]),
        domain=ML,
        keys_strings=list(slots),
        values_floats=[values[slot] for slot in slots.values()],
        default_float=values[lookup.unknown],
    )


def _write_wide(graph: Graph, texts: Value, lookup: Lookup) -> Value:
    column = graph.op("Gather", texts, graph.constant(np.int64(lookup.position)), axis=1)
    slot = write_slots(graph, column, lookup.slots, lookup.unknown)
    return graph.op("Gather", graph.constant(lookup.table), slot, axis=0)


def write_slots(graph: Graph, column: Value, slots: Mapping[str, int], unknown: int) -> Value:
    """`slots_of` as a node: strings of any shape → int64 of that shape."""
    slots = _not_empty(slots, unknown)
    keys, values = list(slots), list(slots.values())
    return graph.op("LabelEncoder", column, domain=ML, keys_strings=keys, values_int64s=values, default_int64=unknown)


def _not_empty(slots: Mapping[str, int], unknown: int) -> Mapping[str, int]:
    """A LabelEncoder must know a text, even if it is to be treated as unknown."""
    return slots or {MISSING: unknown}


def slots_of(column: Column, slots: Mapping[str, int], unknown: int) -> IntArray:
    """The slot of each row's text, int64 ``(n_rows,)``; looks up each level once, not each row."""
    codes = column.values
    if len(codes) < len(column.levels):  # few rows of a column with many levels
        used, codes = np.unique(codes, return_inverse=True)
        texts = [MISSING if code < 0 else column.levels[code] for code in used.tolist()]
    else:
        texts = [*column.levels, MISSING]  # code -1 is the last
    known: IntArray = np.array([slots.get(text, unknown) for text in texts], dtype=np.int64)
    return np.take(known, codes, mode="wrap")


# --- what a column can become --------------------------------------------------------------------------------------


def plus_minus_one(column: TextColumn, *, keeps_missing: bool = False) -> Lookup:
    """One column for two levels, -1 for the first and +1 for the second in the order of the alphabet.

    An unknown or missing text is 0, with an indicator column where training rows miss it (RealMLP, arXiv 2407.04491,
    has no indicator). With ``keeps_missing`` it is NaN instead, for trees.
    """
    known = [level for level in column.levels if level != MISSING]
    slots = {level: slot for slot, level in enumerate(known, start=1)}
    other = np.nan if keeps_missing else 0.0
    values = [[other], *([2.0 * slot - 1.0] for slot in range(len(known)))]
    if len(known) == 1:
        values[1] = [1.0]
    features = [Feature(f"{column.name} = {known[-1]}" if known else column.name, column.name)]
    if column.has_missing and not keeps_missing:
        values = [[*row, 0.0] for row in values] + [[0.0, 1.0]]
        slots[MISSING] = len(known) + 1
        features.append(Feature(f"{column.name} is missing", column.name))
    return Lookup(column.position, slots, 0, np.array(values, dtype=np.float32), tuple(features))


def one_hot(column: TextColumn, *, least: int = 1, most: int | None = None, height: float = 1.0) -> Lookup:
    """One column per level: ``height`` where it is the row's level, else 0 (scikit-learn's OneHotEncoder).

    Levels in fewer than ``least`` rows, and the rarest beyond ``most`` columns, share a column, which is also that of
    unknown texts; without such a column an unknown text is 0 everywhere.
    """
    rare = column.counts < least
    if most is not None and most < np.sum(~rare) + 1:
        rare[np.argsort(column.counts, kind="stable")[: len(rare) - (most - 1)]] = True
    unknown = int(np.sum(~rare))  # the shared column, or the row without a column
    width = unknown + bool(rare.any())
    slot = np.where(rare, unknown, np.cumsum(~rare) - 1)
    table = np.concatenate([height * np.eye(width), np.zeros((1, width))]).astype(np.float32)
    slots = dict(zip(column.levels, slot.tolist(), strict=True))
    names = {place: _level_name(column.name, level) for level, place in slots.items()}
    names[unknown] = f"{column.name}: other"
    features = tuple(Feature(names[place], column.name) for place in range(width))
    return Lookup(column.position, slots, unknown, table, features)


def _level_name(name: str, level: str) -> str:
    return f"{name} is missing" if level == MISSING else f"{name} = {level}"


@dataclass(frozen=True)
class EmbeddingCodes:
    """Category columns as integers from 0, for trained embeddings. Code 0 is shared by unknown and rare levels.

    Attributes
    ----------
    positions : of the columns among the table's texts
    slots : per column, text → code from 1
    """

    positions: tuple[int, ...]
    slots: tuple[Mapping[str, int], ...]
    about: tuple[str, ...] = ()

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Codes of each column, code 0 included."""
        return tuple(len(slots) + 1 for slots in self.slots)

    def codes(self, inputs: Table) -> IntArray:
        columns = _texts(inputs)
        chosen = [slots_of(columns[i], slots, 0) for i, slots in zip(self.positions, self.slots, strict=True)]
        return np.stack(chosen, axis=1)

    def write(self, graph: Graph, texts: Value) -> Value:
        pairs = zip(self.positions, self.slots, strict=True)
        return graph.concat([write_slots(graph, graph.columns(texts, [i]), slots, 0) for i, slots in pairs])


def embedding_codes(columns: Sequence[TextColumn]) -> EmbeddingCodes:
    """Codes for levels that occur at least twice.

    Levels that occur once teach an embedding nothing about themselves; pooled as code 0 they teach it what an unknown
    level is like. A missing category is a level.
    """
    slots = []
    for column in columns:
        kept = [level for level, n in zip(column.levels, column.counts.tolist(), strict=True) if n > 1]
        slots.append({level: code for code, level in enumerate(kept, start=1)})
    names = with_levels({column.name: len(kept) for column, kept in zip(columns, slots, strict=True)})
    about = f"{names} as codes for a trained embedding; levels seen once and unknown ones share a code."
    return EmbeddingCodes(tuple(column.position for column in columns), tuple(slots), (about,))


def about_columns(columns: Sequence[TextColumn], what: str) -> list[str]:
    """A sentence on what became of these columns, or none."""
    if not columns:
        return []
    return [
        f"{plain_count(len(columns), 'category', 'categories')} {what}: {some([column.name for column in columns])}."
    ]


def missing_columns(columns: Sequence[TextColumn]) -> list[str]:
    """A sentence on those that miss values, or none."""
    names = [column.name for column in columns if column.has_missing]
    return [f"{some(names)} with missing values: missing is a level of its own."] if names else []
