"""The command ``annvil``: a module of its own, since whoever imports a part of a package imports the package first.

So Ctrl-C ends in a sentence from the beginning, while `annvil` and the libraries of its command line are imported, too.
"""

from __future__ import annotations

import gc
import signal
import sys
import time

_loading = time.monotonic()
_started: float | None = None

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Told(SystemExit):
    """An end of which a sentence has been written."""


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
        from annvil.cli import run

        run()
    except Told:
        raise
    except KeyboardInterrupt:  # while libraries are loading; commands look after themselves
        _say_stopped()
    except SystemExit as end:
        if end.code == STOPPED:  # so Typer ends while it reads arguments, without a word
            _say_stopped()
        raise
    finally:
        _started = None
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: nothing is left to stop
        gc.freeze()  # or the interpreter searches all that libraries hold for garbage, twice, before it ends


def _say_stopped() -> None:
    sys.stderr.write("annvil: Stopped.\n")
    raise Told(STOPPED)
