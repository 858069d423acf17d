"""The command line: it parses, calls and shows, and computes nothing.

Results go to standard output; progress, notices and errors to standard error, so that output can be piped.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run ``annvil`` with the arguments of the process."""
    from annvil.cli.app import app

    app(prog_name="annvil")
