"""Whether a source holds series."""

from __future__ import annotations

from annvil.data.readers.opened import Opened

OPTIONS = ("series", "steps")
"""Whoever gives one of these says that the source holds series."""


def is_series(opened: Opened) -> str | None:
    """Why a source holds series, completing "it is …", or None."""
    return "a table of series" if any(opened.given.get(name) for name in OPTIONS) else None
