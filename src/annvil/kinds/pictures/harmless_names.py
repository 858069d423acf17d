"""Names of folders and files that every system takes, made of labels and file names of strangers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

LONGEST = 60
"""Bytes of a name."""


def folder_names(labels: Sequence[str]) -> dict[str, str]:
    """A folder name for every label; one that could be the name of a folder keeps it."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for label in dict.fromkeys(labels):
        name = _harmless(label) or "none"
        numbered = (f"{name}-{number}" for number in count(2))
        found[label] = next(one for one in chain([name], numbered) if one.lower() not in taken)
        taken.add(found[label].lower())
    return found


def file_names(names: Sequence[str]) -> list[str]:
    """A file name without ending for every picture; a number in front keeps them apart and in order."""
    stems = (_harmless(Path(name).stem) for name in names)
    return [f"{row:06d}-{stem}" if stem else f"{row:06d}" for row, stem in enumerate(stems, 1)]


def _harmless(text: str) -> str:
    """The text as a name that every system takes: letters, figures, ``-``, ``_`` and inner dots, not too long."""
    kept = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in text).strip("-. ")
    kept = kept.encode("utf-8")[:LONGEST].decode("utf-8", errors="ignore")
    reserved = kept.upper().split(".")[0] in {"CON", "PRN", "AUX", "NUL"}
    return f"{kept}-" if reserved else kept
