"""`annvil compare`, more that can be measured on a finished run, and the commands of single kinds of data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.cli.console import print_json, result_console, safe
from annvil.options import cleaned

if TYPE_CHECKING:
    from rich.console import Console

    from annvil.kinds.commands import Command
    from annvil.sections import Section


CELL = 40
"""Characters of a last cell that is a column still; a longer one stands below its row."""


def compare(run: Path, study: str | None, budget: str, *, as_json: bool, quiet: bool) -> None:
    """Study the run and show what was found."""
    from annvil.errors import RequestError
    from annvil.run.result import open_run

    if study is None:
        names = " or ".join(f"annvil compare {run} --study {name}" for name in open_run(run).kind.studies)
        raise RequestError(f"Say what to compare: {names}" if names else f"There is nothing to compare on {run}.")
    from annvil.run import studying

    found = studying.study(run, study, budget, _nothing if quiet else _tell)
    if as_json:
        print_json(found.to_json())
        return
    console = result_console()
    for section in found.sections():
        _show(console, section)
    console.print(f"Report    {safe(str(run / 'report.html'))}")


def further(command: Command, given: Mapping[str, Any], *, as_json: bool, quiet: bool) -> None:
    """Carry out a command of a kind of data and show what it tells."""
    progress = _count if sys.stderr.isatty() and not quiet else _nothing
    told = command.run(cleaned(command.Options, given, "the command"), _nothing if quiet else _tell, progress)
    if as_json:
        print_json(told.json)
        return
    console = result_console()
    for sentence in told.sentences:
        console.print(safe(sentence), soft_wrap=True, markup=False, highlight=False)


def _tell(message: str) -> None:
    sys.stderr.write(f"{safe(message)}\n")


def _nothing(*_: object) -> None:
    """Show nothing."""


def _count(done: int, of: int) -> None:
    """How much is done, on one line of the error stream."""
    if done % 100 == 0 or done == of:
        sys.stderr.write(f"\rDone: {done:,} of {of:,}" + "\n" * (done == of))
        sys.stderr.flush()


def _show(console: Console, section: Section) -> None:
    """A section without what only a report can show; tables hold sentences, so each row is one of its own, with the
    last cell below it."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not section.tables and not section.sentences:
        return  # charts alone
    console.print(Text(safe(section.title), style="bold"))
    for header, (first, *cells) in ((rows.header, row) for rows in section.tables for row in rows.rows):
        table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, title=safe(first))
        table.title_justify, table.title_style = "left", "bold"
        below = cells.pop() if len(cells[-1]) > CELL else ""
        for name in header[1 : 1 + len(cells)]:
            table.add_column(safe(name), ratio=1, overflow="fold")
        table.add_row(*map(safe, cells))
        console.print(table)
        if below:
            console.print(Text(safe(below)))
        console.print()
    for sentence in section.sentences:
        console.print(Text(safe(sentence)))
    console.print()
