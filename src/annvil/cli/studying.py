"""`annvil compare`: more that can be measured on a finished run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from annvil.cli.console import print_json, result_console, safe

if TYPE_CHECKING:
    from rich.console import Console

    from annvil.sections import Rows, Section


def compare(run: Path, study: str | None, budget: str, *, as_json: bool, quiet: bool) -> None:
    """Study the run and show what was found."""
    from annvil.errors import RequestError
    from annvil.run.result import open_run

    if study is None:
        names = " or ".join(f"annvil compare {run} --study {name}" for name in open_run(run).kind.studies)
        raise RequestError(f"Say what to compare: {names}" if names else f"There is nothing to compare on {run}.")
    from annvil.run import studying

    def tell(message: str) -> None:
        if not quiet:
            sys.stderr.write(f"{safe(message)}\n")

    found = studying.study(run, study, budget, tell)
    if as_json:
        print_json(found.to_json())
        return
    console = result_console()
    for section in found.sections():
        _show(console, section)
    console.print(f"Report    {safe(str(run / 'report.html'))}")


def _show(console: Console, section: Section) -> None:
    """A section without what only a report can show."""
    from rich.text import Text

    console.print(Text(safe(section.title), style="bold"))
    for rows in section.tables:
        _show_rows(console, rows)
    for sentence in section.sentences:
        console.print(Text(safe(sentence)))
    console.print()


def _show_rows(console: Console, rows: Rows) -> None:
    """Each row as a small table of its own with the last cell below it: such tables hold sentences."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    for first, *cells in rows.rows:
        table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, title=safe(first))
        table.title_justify, table.title_style = "left", "bold"
        for name in rows.header[1:]:
            table.add_column(safe(name), ratio=1, overflow="fold")
        table.add_row(*map(safe, cells))
        console.print(table)
        console.print()
