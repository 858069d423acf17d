"""Tables with one row a series: a column for every step."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from annvil.data.readers.convert import as_category, category_field
from annvil.data.readers.raw import RawTable
from annvil.data.readers.split_columns import kept_for_testing, split_column
from annvil.errors import DataError
from annvil.kinds.series.reading.columns import check_names, note_of, numbers_of, refuse_meaningless, targets_of
from annvil.kinds.series.reading.found import Found, end_to_end, without_padding
from annvil.kinds.series.reading.step_columns import channels_of
from annvil.kinds.series.series import Values
from annvil.options import ReadOptions
from annvil.tasks.base import IntArray
from annvil.text.phrases import listed
from annvil.text.quantities import plain_count


def read_wide(
    raw: RawTable, ask: ReadOptions, steps: Sequence[str], series: str | None = None, *, own: bool = False
) -> Found:
    """Series from the rows of a table; ``series`` is a column with their names, ``own``: the target is a sample's.

    Raises
    ------
    DataError, RequestError
        With column and rows, and what to change.
    """
    refuse_meaningless(ask, "The steps are the columns to learn from (--steps)", "columns", "drop", "kinds")
    targets = targets_of(raw, ask, own=own)
    roles = {"target": targets, "series": series, "groups": ask.groups, "time": ask.time}
    check_names(raw, steps=steps, **roles)
    channels, columns = channels_of(steps)
    values, lengths = values_of(raw, channels, columns, ask.missing)
    used = {
        name: role for role, named in roles.items() for name in ([named] if isinstance(named, str) else named or ())
    }
    split = split_column(raw.columns, *used, *steps)
    testing, said = kept_for_testing(split, raw.n_rows)
    if split is not None:
        used[split.name] = "split"
    if len(channels) > 1:
        told = f"{len(steps) // len(channels)} steps of {len(channels)} channels: {listed(channels)}"
        said = (f"Columns are read as {told}, by their names.", *said)
    shorter = int((lengths < len(steps) // len(channels)).sum())
    if shorter:
        said = (*said, f"{plain_count(shorter, 'series', 'series')} end before the last column: they are shorter.")
    dropped = [c for c in raw.columns if c.name not in {*columns, *used}]
    return Found(
        values=values,
        starts=end_to_end(lengths),
        channels=channels,
        names=names_of_rows(raw, series, ask.missing),
        answers=tuple(raw[name] for name in targets),
        testing=testing,
        groups=raw[ask.groups] if ask.groups else None,
        time=raw[ask.time] if ask.time else None,
        brought={"layout": "wide", "steps": columns},
        notes=(
            *(note_of(raw[name], "role", f"the {role}") for name, role in used.items()),
            *(note_of(column, "dropped", "no step of a series") for column in dropped),
        ),
        said=said,
        source=raw.source,
    )


def values_of(
    raw: RawTable, channels: Sequence[str], columns: Sequence[str], missing: Collection[str]
) -> tuple[Values, IntArray]:
    """Steps of all rows ``(steps, channels)``, one row behind the other, and how many each has.

    Raises
    ------
    DataError
        Where a column holds no numbers.
    """
    by_name = {column.name: column for column in raw.columns}
    steps = len(columns) // len(channels)
    table = np.empty((raw.n_rows, steps, len(channels)), dtype=np.float32)
    for place, name in enumerate(columns):
        found = numbers_of(by_name[name], raw, missing)
        if isinstance(found, str):
            raise DataError(f"Column {name!r} of {raw.source.name} holds {found}; a step of a series is a number.")
        table[:, place % steps, place // steps] = found
    return without_padding(table)


def names_of_rows(raw: RawTable, series: str | None, missing: Collection[str]) -> list[str]:
    """What the series of the rows are called: as that column says, or by their number."""
    if series is None:
        return [f"row {row + 1}" for row in range(raw.n_rows)]
    column = as_category(raw[series], category_field(raw[series]), missing=missing)
    return [column.levels[code] if code >= 0 else f"row {row + 1}" for row, code in enumerate(column.values.tolist())]
