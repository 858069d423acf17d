"""`annvil augment`: pictures and changed copies of each, in a new folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from annvil.cli.console import print_json, result_console, safe


def augment(
    data: str, times: int, out: Path, changes: str | None, options: Mapping[str, Any], *, as_json: bool, quiet: bool
) -> None:
    """Write the folder and say what is in it."""
    from annvil.kinds.pictures.augmented_sets import augment

    progress = None if quiet or not sys.stderr.isatty() else _line()
    made = augment(data, times, out, augmentation=changes, progress=progress, **options)
    if as_json:
        print_json(
            {
                "folder": str(made.folder),
                "labels": str(made.table),
                "contact_sheet": str(made.contact_sheet),
                "originals": made.n_originals,
                "pictures": made.n_pictures,
                "augmentation": made.augmentation.to_json(),
            }
        )
        return
    console = result_console()
    for sentence in made.said:
        console.print(safe(sentence))
    console.print(f"{made.n_pictures:,} pictures are in {safe(str(made.folder))}; look at {made.contact_sheet.name}.")


def _line() -> Callable[[int, int], None]:
    """Shows how many pictures are written, on one line of the error stream."""

    def show(done: int, of: int) -> None:
        if done % 100 == 0 or done == of:
            sys.stderr.write(f"\rWriting pictures: {done:,} of {of:,}" + "\n" * (done == of))
            sys.stderr.flush()

    return show
