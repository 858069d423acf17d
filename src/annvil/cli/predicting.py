"""`annvil predict`: files through a saved model, into a CSV file."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.cli.console import print_exactly, safe
from annvil.files import write_atomically

if TYPE_CHECKING:
    from annvil.kinds.base import Kind

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def predict(model: Path, data: Sequence[str], out: str, *, keep: bool) -> None:
    """Write the predictions for ``data`` to the file ``out``, or to standard output for ``-``.

    ``data`` is what the model's kind of data takes: the path of a table, or several paths of files.
    """
    from annvil.bundle import load
    from annvil.data.plugins import kind_named
    from annvil.errors import RequestError

    for path in data:
        if out != "-" and Path(out).resolve() == Path(path).resolve():
            raise RequestError(f"{out} holds what is to be predicted and would be overwritten; choose another name.")
    if out != "-" and not Path(out).resolve().parent.is_dir():
        raise RequestError(f"There is no folder {Path(out).resolve().parent} to write {Path(out).name} to.")
    predictor = load(bundle_in(model))
    kind: Kind = kind_named(predictor.form.kind)
    kind.check_files(data, keep=keep)
    conformed = predictor.conform(data[0] if len(data) == 1 else list(data), where=" ".join(data[:3]))
    for notice in conformed.notices:
        sys.stderr.write(f"annvil: {safe(notice)}\n")
    inputs = conformed.inputs
    outputs = predictor.raw(inputs)
    beside = kind.beside(data, inputs, keep=keep)
    predicted = predictor.task.columns(outputs, predictor.manifest.info.threshold)
    columns = [(name, map(harmless, values)) for name, values in (*beside, *predicted)]
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


def bundle_in(path: Path) -> Path:
    """The model of a run, or the path itself."""
    inside = path / "model"
    return inside if inside.is_dir() and not (path / "manifest.json").exists() else path
