"""`annvil explain`: why a model says what it says of one thing, and whether that can be trusted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from annvil.cli.console import print_json, result_console, safe
from annvil.cli.predicting import bundle_in
from annvil.files import write_atomically

if TYPE_CHECKING:
    from annvil.kinds.base import Kind


def explain(model: Path, one: str, out: Path | None, *, label: str | None, as_json: bool) -> None:
    """Print what there is to say of one thing, and write what can be looked at as a PNG file to ``out``."""
    from annvil.bundle import load
    from annvil.data.plugins import kind_named

    if out is not None:
        _check(out, one)
    bundle = bundle_in(model)
    kind: Kind = kind_named(load(bundle).form.kind)
    explanation = kind.explain(bundle, one, label)
    if out is not None:
        write_atomically(out, explanation.png())
    if as_json:
        print_json(explanation.to_json())
    else:
        console = result_console()
        for sentence in explanation.sentences():
            console.print(safe(sentence), markup=False, highlight=False)
    if out is not None:
        sys.stderr.write(f"What can be looked at is in {safe(str(out))}\n")


def _check(out: Path, one: str) -> None:
    """Before anything is computed: a PNG file in a folder that is there, and not what is explained itself."""
    from annvil.errors import RequestError

    if out.suffix.lower() != ".png":
        raise RequestError(f"A PNG file is written; {out} has another ending. Use -o {out.stem}.png.")
    if out.resolve() == Path(one).resolve():
        raise RequestError(f"{out} is what is to be explained and would be overwritten; choose another name.")
    if not out.resolve().parent.is_dir():
        raise RequestError(f"There is no folder {out.resolve().parent} to write {out.name} to.")
