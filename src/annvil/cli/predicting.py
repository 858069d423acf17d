"""`annvil predict` and `annvil explain`: what a saved model says of files, and why."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.cli.console import print_exactly, print_json, result_console, safe
from annvil.files import write_where_told
from annvil.text.quantities import plain_count

if TYPE_CHECKING:
    from annvil.kinds.base import Kind

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def predict(model: Path, data: Sequence[str], out: str, given: Mapping[str, Any], *, keep: bool) -> None:
    """Write the predictions for ``data`` to the file ``out``, or to standard output for ``-``.

    ``data`` is what the model's kind of data takes: the path of a table, or several paths of files; ``given`` are
    options of the kind.
    """
    from annvil.bundle import load
    from annvil.data.plugins import kind_named
    from annvil.kinds.registry import predict_options_for

    if out != "-":
        _check(Path(out), data, "holds what is to be predicted")
    predictor = load(bundle_in(model))
    kind: Kind = kind_named(predictor.form.kind)
    options = predict_options_for(kind, given, model.name)
    kind.check_files(data, keep=keep)
    conformed = predictor.conform(kind.together(data), where=" ".join(data[:3]))
    for notice in conformed.notices:
        sys.stderr.write(f"annvil: {safe(notice)}\n")
    inputs = conformed.inputs
    columns = list(kind.table(predictor, data, inputs, options, keep=keep))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([harmless(name) for name, _ in columns])
    rows = [*zip(*(map(harmless, values) for _, values in columns), strict=True)]
    writer.writerows(rows)
    if out == "-":
        print_exactly(text.getvalue())
    else:
        write_where_told(Path(out), text.getvalue().encode("utf-8", errors="replace"))
        sys.stderr.write(f"{plain_count(len(rows), 'prediction is', 'predictions are')} in {safe(out)}\n")


def explain(model: Path, one: str, out: Path | None, *, label: str | None, as_json: bool) -> None:
    """Print what there is to say of one thing, and write what can be looked at as a PNG file to ``out``."""
    from annvil.bundle import load
    from annvil.data.plugins import kind_named
    from annvil.errors import RequestError

    if out is not None:
        if out.suffix.lower() != ".png":
            raise RequestError(f"A PNG file is written; {out} has another ending. Use -o {out.stem}.png.")
        _check(out, [one], "is what is to be explained")
    bundle = bundle_in(model)
    kind: Kind = kind_named(load(bundle).form.kind)
    explanation = kind.explain(bundle, one, label)
    if out is not None:
        write_where_told(out, explanation.png())
    if as_json:
        print_json(explanation.to_json())
    else:
        console = result_console()
        for sentence in explanation.sentences():
            console.print(safe(sentence), markup=False, highlight=False)
    if out is not None:
        sys.stderr.write(f"What can be looked at is in {safe(str(out))}\n")


def _check(out: Path, data: Sequence[str], what: str) -> None:
    """Before anything is computed: the file lies in a folder that is there, and is none of those read."""
    from annvil.errors import RequestError

    if out.resolve() in [Path(path).resolve() for path in data]:
        raise RequestError(f"{out} {what} and would be overwritten; choose another name.")
    if out.is_dir():
        raise RequestError(f"{out} is a folder; name a file to write.")
    if not out.resolve().parent.is_dir():
        raise RequestError(f"There is no folder {out.resolve().parent} to write {out.name} to.")


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
