"""The command line: it parses, calls and shows, and computes nothing.

Results go to standard output; progress, notices and errors to standard error, so that output can be piped.
"""

from __future__ import annotations

import gc
import time

__all__ = ["main", "started"]

_loading = time.monotonic()
_started: float | None = None


def started() -> float | None:
    """When the command of this process began, on the clock of ``time.monotonic()``; None where it is part of another.

    Budgets count from there: importing takes half a second, and several on a busy machine.
    """
    return _started


def main() -> None:
    """Run ``annvil`` with the arguments of the process."""
    global _started
    _started = _loading
    try:
        _run()
    except KeyboardInterrupt:  # while libraries are loading; commands look after themselves
        _say_stopped()
    finally:
        gc.freeze()  # or the interpreter searches all that libraries hold for garbage, twice, before it ends


def _say_stopped() -> None:
    import sys

    sys.stderr.write("annvil: Stopped.\n")
    sys.exit(130)


def _run() -> None:
    import os
    import sys
    import warnings
    from io import TextIOWrapper

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us: files are written all the same
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115

    from annvil.data.plugins import KindNotice

    usual = warnings.formatwarning

    def plain(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        notice = issubclass(category, KindNotice)
        return f"annvil: {message}\n" if notice else usual(message, category, filename, lineno, line)

    warnings.formatwarning = plain  # a notice is a sentence: people need not know which line of ours says it
    from annvil.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our signs shows a question mark, not a failure
    app(prog_name="annvil")
