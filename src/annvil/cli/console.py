"""Where the command line writes, and texts of the user's made safe to write there.

Names and categories come from files of strangers: control characters in them could move the cursor or hide text, and
square brackets would be taken for markup. Consoles here know no markup, and `safe` makes the invisible visible.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.text.safe import clean as safe

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["error_console", "print_exactly", "print_json", "result_console", "safe", "show_page"]


def result_console() -> Console:
    """Standard output: what was asked for."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def error_console() -> Console:
    """Standard error: progress, notices and errors."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def print_json(values: Any) -> None:
    """One JSON document on standard output."""
    import json

    print_exactly(json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def print_exactly(text: str) -> None:
    """Text for other programs on standard output: UTF-8 whatever the terminal speaks, line ends as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", errors="replace"))
    sys.stdout.buffer.flush()


def show_page(path: Path) -> None:
    """Open a page where there is a screen."""
    if _has_screen():
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def _has_screen() -> bool:
    """Whether a browser has somewhere to appear; without, some systems would start one in the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
