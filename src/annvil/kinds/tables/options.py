"""Options of a fit that tables alone have."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from annvil.errors import RequestError
from annvil.options import Option
from annvil.options.declaring import COLUMNS
from annvil.options.fit_options import quoted_name
from annvil.text.phrases import quoted
from annvil.text.safe import composed

if TYPE_CHECKING:
    from annvil.data.dataset import Dataset

DIRECTIONS = {"increasing": 1, "decreasing": -1}


def split_directions(given: Iterable[str]) -> dict[str, str]:
    """``a=increasing,b=decreasing``; the last equals sign parts them, and names with commas go in double quotes.

    >>> split_directions(["income=decreasing, debt=increasing", '"a,b"=increasing'])
    {'income': 'decreasing', 'debt': 'increasing', 'a,b': 'increasing'}

    Raises
    ------
    RequestError
        Where there is no equals sign, or a column is given both directions.
    """
    found: dict[str, str] = {}
    for pair in (pair for line in given for pair in next(csv.reader([line], skipinitialspace=True), [])):
        name, sign, direction = (text.strip() for text in pair.rpartition("="))
        if not sign or not name:
            raise RequestError(
                f"--monotone takes COLUMN=DIRECTION, such as --monotone income=increasing; got {pair!r}."
            )
        if found.setdefault(name, direction) != direction:
            raise RequestError(
                f"--monotone was given two directions for {quoted(name)}: {found[name]} and {direction}. Give one."
            )
    return found


def _directions(given: Any) -> dict[str, str]:
    """By name, each a word of `DIRECTIONS`."""
    if isinstance(given, str):
        given = split_directions([given])
    if given is not None and not isinstance(given, Mapping):
        raise RequestError(f"monotone takes columns with their direction, such as income=decreasing; got {given!r}.")
    found = {composed(str(name)): str(direction).strip().lower() for name, direction in (given or {}).items()}
    for name, direction in found.items():
        if direction not in DIRECTIONS:
            raise RequestError(f"The direction of {quoted(name)} is increasing or decreasing; got {direction!r}.")
    return found


def _as_texts(given: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{quoted_name(name)}={direction}" for name, direction in given.items())


class TableOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What only a fit of a table may be told."""

    monotone: Annotated[
        dict[str, str],
        Option(
            "For tables: predictions only rise, or only fall, as a number does, all else equal: "
            "income=decreasing,debt=increasing. Of two classes it is the chance of the positive one. Only models that "
            "keep it by construction compete.",
            metavar="NAME=DIRECTION",
            panel=COLUMNS,
            repeated=True,
            clean=_directions,
            read=split_directions,
            write=_as_texts,
        ),
    ] = msgspec.field(default_factory=dict)


def signs(options: TableOptions | None) -> dict[str, int]:
    """1 or -1 by column."""
    return {} if options is None else {name: DIRECTIONS[word] for name, word in options.monotone.items()}


def with_directions(dataset: Dataset[Any], monotone: Mapping[str, str]) -> Dataset[Any]:
    """The data set with notes on what was asked of its columns; refuses what cannot be kept, before any training.

    All of them are columns of the source: `read_table` has refused others by its header.

    Raises
    ------
    RequestError
        Where the answer has no order, or a column is not learnt from, or is no number.
    """
    if not monotone:
        return dataset
    task = dataset.task
    if task.n_questions > 1 or task.n_outputs > 2:
        what = (
            "several labels are"
            if task.n_questions > 1
            else f"{quoted(str(task.target))} has {task.n_outputs} classes, which are"
        )
        raise RequestError(f"--monotone needs an answer with an order, a number or two classes; {what} none.")
    notes = {note.name: note for note in dataset.notes}
    kinds = {field.name: field.kind for field in dataset.inputs.schema}
    for name in monotone:
        if name not in kinds:
            raise RequestError(f"Column {quoted(name)} (monotone) is not learnt from: {notes[name].reason}.")
        if kinds[name] != "number":
            raise RequestError(
                f"Column {quoted(name)} (monotone) is read as {kinds[name]}, and only numbers have a direction. "
                f"If its values are numbers, say --as {quoted_name(name)}=number."
            )
    answer = f"the chance of {str(task.classes[-1])!r}" if task.predicts_probabilities else repr(task.target)
    said = {name: f"as asked, {answer} is only {word} with it" for name, word in monotone.items()}
    told = (
        replace(note, reason="; ".join(filter(None, (note.reason, said[note.name])))) if note.name in said else note
        for note in dataset.notes
    )
    return replace(dataset, notes=tuple(told))
