"""Texts from outside made safe to show."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

# C0 and C1 controls, zero-width and directional marks, and lone surrogates: a name can neither hide nor turn the text
# around it, and can always be written as UTF-8.
_INVISIBLE = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """The text with every invisible or direction-changing character shown as U+FFFD."""
    return _INVISIBLE.sub("\ufffd", text)


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC), in which names and values are compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def tidy(text: str) -> str:
    r"""The text without blanks around it, composed: what looks the same is the same.

    Written as a formula, lest Excel take it for a number (``="00123"``), it is the text in it.

    >>> tidy(" Zu\u0308rich ") == "Z\u00fcrich", tidy('="00123"')
    (True, '00123')
    """
    text = text.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 3:
        text = text[2:-1].strip()
    return composed(text)


def short_name(name: str, most: int = 60) -> str:
    """A file name that can be printed anywhere, its middle left out where it is long."""
    name = name.encode("utf-8", "replace").decode("utf-8")
    name = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-most // 2 + 1 :]}"


def some_names(names: Sequence[str], most: int = 3) -> str:
    """The first few names, quoted and shortened, and how many more."""
    shown = ", ".join(repr(short_name(name)) for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def harmless(cell: Any) -> Any:
    """The cell, with a quote in front of a text that a spreadsheet would run as a formula; numbers stay as they are.

    >>> harmless("=1+1"), harmless("-3.5"), harmless(-3.5), harmless("plain")
    ("'=1+1", '-3.5', -3.5, 'plain')
    """
    if isinstance(cell, str) and cell.startswith(_STARTS_A_FORMULA) and not _PLAIN_NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def as_csv(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """The text of a CSV file whose cells are `harmless`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(harmless, header))
    writer.writerows(map(harmless, row) for row in rows)
    return text.getvalue()
