"""`annvil predict` and `annvil explain`: what a saved model says of files, and why."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.cli.console import print_exactly, print_json, result_console, safe, show_page
from annvil.files import write_where_told
from annvil.text.phrases import listed
from annvil.text.quantities import plain_count
from annvil.text.safe import as_csv

if TYPE_CHECKING:
    from annvil.kinds.base import Kind


def predict(model: Path, data: Sequence[str], out: str, given: Mapping[str, Any], *, keep: bool) -> None:
    """Write the predictions for ``data`` to the file ``out``, or to standard output for ``-``.

    ``data`` is what the model's kind of data takes: the path of a table, or several paths of files; ``given`` are
    options of the kind.
    """
    from annvil.bundle import load
    from annvil.data.plugins import kind_named
    from annvil.kinds.registry import command_options_for

    if out != "-":
        _check(Path(out), data, "holds what is to be predicted")
    predictor = load(bundle_in(model))
    kind: Kind = kind_named(predictor.form.kind)
    options = command_options_for("predict", kind, given, model.name)
    kind.check_files(data, keep=keep)
    conformed = predictor.conform(kind.together(data), where=" ".join(data[:3]))
    for notice in conformed.notices:
        sys.stderr.write(f"annvil: {safe(notice)}\n")
    inputs = conformed.inputs
    columns = list(kind.table(predictor, data, inputs, options, keep=keep))
    rows = [*zip(*(values for _, values in columns), strict=True)]
    text = as_csv([name for name, _ in columns], rows)
    if out == "-":
        print_exactly(text)
    else:
        write_where_told(Path(out), text.encode("utf-8", errors="replace"))
        sys.stderr.write(f"{plain_count(len(rows), 'prediction is', 'predictions are')} in {safe(out)}\n")


def explain(
    model: Path,
    one: str | None,
    out: Path | None,
    given: Mapping[str, Any],
    *,
    label: str | None,
    as_json: bool,
    open_it: bool,
) -> None:
    """Print what there is to say of one thing, of several or of the whole model, and write what can be looked at.

    Without a name for it, the page of a whole model lies beside the report of its run.
    """
    from annvil.bundle import load
    from annvil.data.plugins import kind_named
    from annvil.errors import RequestError
    from annvil.kinds.registry import command_options_for

    bundle = bundle_in(model)
    kind: Kind = kind_named(load(bundle).form.kind)
    options = command_options_for("explain", kind, given, model.name)
    if one is None and (given or label is not None):
        raise RequestError("These options are of single things: name what is to be explained after the model.")
    whole_run = one is None and bundle != model and ".html" in kind.explained_as
    if out is None and whole_run and not as_json:
        out = model / "explanation.html"
    if out is not None:
        _check_ending(out, kind.explained_as)
        _check(out, [] if one is None else [one], "is what is to be explained")
    explanation = kind.explain_whole(bundle) if one is None else kind.explain(bundle, one, label, options)
    if out is not None and whole_run and out.suffix.lower() == ".html":
        from annvil.run.reporting import write_explanation_page

        page = write_explanation_page(model)
        if page.resolve() != out.resolve():
            write_where_told(out, page.read_bytes())
    elif out is not None:
        write_where_told(out, explanation.written(out.suffix.lower()))
    if as_json:
        print_json(explanation.to_json())
    else:
        console = result_console()
        for sentence in explanation.sentences():
            console.print(safe(sentence), markup=False, highlight=False)
    if out is not None:
        sys.stderr.write(f"What can be looked at is in {safe(str(out))}\n")
        if open_it and out.suffix.lower() == ".html":
            show_page(out)


def _check_ending(out: Path, endings: Sequence[str]) -> None:
    from annvil.errors import RequestError

    if out.suffix.lower() in endings:
        return
    if len(endings) == 1:
        ending = endings[0]
        raise RequestError(
            f"A {ending[1:].upper()} file is written; {out} has another ending. Use -o {out.stem}{ending}."
        )
    raise RequestError(f"Files that end in {listed(endings)} are written; {out} has another ending.")


def _check(out: Path, data: Sequence[str], what: str) -> None:
    """Before anything is computed: the file lies in a folder that is there, and is none of those read."""
    from annvil.errors import RequestError

    if out.resolve() in [Path(path).resolve() for path in data]:
        raise RequestError(f"{out} {what} and would be overwritten; choose another name.")
    if out.is_dir():
        raise RequestError(f"{out} is a folder; name a file to write.")
    if not out.resolve().parent.is_dir():
        raise RequestError(f"There is no folder {out.resolve().parent} to write {out.name} to.")


def bundle_in(path: Path) -> Path:
    """The model of a run, or the path itself."""
    inside = path / "model"
    return inside if inside.is_dir() and not (path / "manifest.json").exists() else path
