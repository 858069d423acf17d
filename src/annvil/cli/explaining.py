"""`annvil explain`: where a model of pictures looks, and whether that can be trusted."""

from __future__ import annotations

import sys
from pathlib import Path

from annvil.cli.console import print_json, result_console, safe
from annvil.files import write_atomically


def explain(model: Path, picture: str, out: Path | None, *, label: str | None, as_json: bool) -> None:
    """Print what there is to say of one picture, and write its maps as a PNG file to ``out``."""
    from annvil.errors import RequestError
    from annvil.kinds.pictures.explanation.explain import explain_file
    from annvil.kinds.pictures.explanation.subject import open_subject

    if out is not None:
        _check(out, picture)
    inside = model / "model"
    subject = open_subject(inside if inside.is_dir() and not (model / "manifest.json").exists() else model)
    if Path(picture).is_dir():
        raise RequestError(f"{picture} is a folder: name one picture in it.")
    explanation = explain_file(subject, picture, label=label)
    if out is not None:
        write_atomically(out, explanation.png())
    if as_json:
        print_json(explanation.to_json())
    else:
        console = result_console()
        for sentence in explanation.sentences():
            console.print(safe(sentence), markup=False, highlight=False)
    if out is not None:
        sys.stderr.write(f"The maps are in {safe(str(out))}\n")


def _check(out: Path, picture: str) -> None:
    """Before anything is computed: a PNG file in a folder that is there, and not the picture itself."""
    from annvil.errors import RequestError
    from annvil.kinds.pictures.reading.decoded import need_pillow

    if out.suffix.lower() != ".png":
        raise RequestError(f"The maps are written as a PNG file; {out} has another ending. Use -o {out.stem}.png.")
    if out.resolve() == Path(picture).resolve():
        raise RequestError(f"{out} is the picture itself and would be overwritten; choose another name.")
    if not out.resolve().parent.is_dir():
        raise RequestError(f"There is no folder {out.resolve().parent} to write {out.name} to.")
    need_pillow()
