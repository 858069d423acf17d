"""The command line: it parses, calls and shows, and computes nothing.

Results go to standard output; progress, notices and errors to standard error, so that output can be piped.
"""

from __future__ import annotations

from annvil_command import main

__all__ = ["main", "run"]


def run() -> None:
    """Run ``annvil`` with the arguments of the process; `annvil_command.main` says how it ends on Ctrl-C."""
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
