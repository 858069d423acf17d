"""Commands of single kinds of data: follow, and say how they ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from annvil.cli.console import error_console, print_json, result_console, safe
from annvil.kinds.base import Command
from annvil.options import cleaned


def run(command: Command, given: Mapping[str, Any], *, as_json: bool, quiet: bool) -> None:
    """Carry it out and show what it tells."""
    said = error_console()
    tell: Callable[[str], None] = (lambda text: None) if quiet else lambda text: said.print(safe(text))
    progress = _nowhere if quiet or not sys.stderr.isatty() else _line()
    told = command.run(cleaned(command.Options, given, "the command"), tell, progress)
    if as_json:
        print_json(told.json)
        return
    console = result_console()
    for sentence in told.sentences:
        console.print(safe(sentence), soft_wrap=True, markup=False, highlight=False)


def _nowhere(done: int, of: int) -> None:
    """Show nothing."""


def _line() -> Callable[[int, int], None]:
    """Shows how much is done, on one line of the error stream."""

    def show(done: int, of: int) -> None:
        if done % 100 == 0 or done == of:
            sys.stderr.write(f"\rDone: {done:,} of {of:,}" + "\n" * (done == of))
            sys.stderr.flush()

    return show
