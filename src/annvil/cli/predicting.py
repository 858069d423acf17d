"""`annvil predict`: rows of a file, or pictures, through a saved model, into a CSV file."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.cli.console import print_exactly, safe
from annvil.files import write_atomically

if TYPE_CHECKING:
    from annvil.data.readers.raw import RawColumn

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def predict(model: Path, data: Sequence[str], out: str, *, keep: bool) -> None:
    """Write the predictions for ``data`` to the file ``out``, or to standard output for ``-``.

    ``data`` is the path of a table, or paths of pictures or of one folder of them.
    """
    from annvil.bundle import load
    from annvil.errors import RequestError

    for path in data:
        if out != "-" and Path(out).resolve() == Path(path).resolve():
            raise RequestError(f"{out} holds what is to be predicted and would be overwritten; choose another name.")
    if out != "-" and not Path(out).resolve().parent.is_dir():
        raise RequestError(f"There is no folder {Path(out).resolve().parent} to write {Path(out).name} to.")
    predictor = load(_bundle_in(model))
    of_pictures = predictor.form.kind == "pictures"
    if len(data) > 1 and not of_pictures:
        raise RequestError(f"The model predicts the rows of one file at a time; got {len(data)} files.")
    if keep and of_pictures:
        raise RequestError("Pictures have no columns to keep; their names are written in any case. Leave out --keep.")
    conformed = predictor.conform(data[0] if len(data) == 1 else list(data), where=" ".join(data[:3]))
    for notice in conformed.notices:
        sys.stderr.write(f"annvil: {safe(notice)}\n")
    inputs = conformed.inputs
    outputs = predictor.raw(inputs)
    kept = _names(inputs) if of_pictures else _kept(data[0]) if keep else ()
    predicted = predictor.task.columns(outputs, predictor.manifest.info.threshold)
    columns = [*kept, *((name, map(harmless, values)) for name, values in predicted)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([harmless(name) for name, _ in columns])
    writer.writerows(zip(*(values for _, values in columns), strict=True))
    if out == "-":
        print_exactly(text.getvalue())
    else:
        write_atomically(Path(out), text.getvalue().encode("utf-8", errors="replace"))
        sys.stderr.write(f"{inputs.n_rows} predictions are in {safe(out)}\n")


def harmless(cell: Any) -> Any:
    """The cell, with a quote in front of a text that a spreadsheet would run as a formula; numbers stay as they are.

    >>> harmless("=1+1"), harmless("-3.5"), harmless(-3.5), harmless("plain")
    ("'=1+1", '-3.5', -3.5, 'plain')
    """
    if isinstance(cell, str) and cell.startswith(_STARTS_A_FORMULA) and not _PLAIN_NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def _bundle_in(path: Path) -> Path:
    """The model of a run, or the path itself."""
    inside = path / "model"
    return inside if inside.is_dir() and not (path / "manifest.json").exists() else path


def _names(inputs: Any) -> Iterator[tuple[str, Iterable[Any]]]:
    """Which picture a line is about."""
    yield "picture", map(harmless, inputs.names())


def _kept(data: str) -> Iterator[tuple[str, Iterable[Any]]]:
    """The columns of the file, as it writes them."""
    from annvil.data.readers.duckdb import Wanted
    from annvil.data.readers.opened import read_raw

    raw = read_raw(data, Wanted(texts=read_raw(data).names))
    for column in raw.columns:
        yield column.name, map(harmless, _cells(column, raw.n_rows))


def _cells(column: RawColumn, n_rows: int) -> list[Any]:
    """The values of a column for a CSV file; a missing one is empty, and so are lists and records."""
    if column.storage == "nested":
        return [""] * n_rows
    if column.storage in ("text", "boolean"):
        texts = (*column.levels, "")
        return [texts[code] for code in column.values.tolist()]
    from annvil.data.readers.dates import date_text

    show: Callable[[float], Any] = date_text if column.storage == "date" else int if column.label == "int" else float
    return ["" if value != value else show(value) for value in column.values.tolist()]
