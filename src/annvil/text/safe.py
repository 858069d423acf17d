"""Texts from outside made safe to show."""

from __future__ import annotations

import re

# C0 and C1 controls, zero-width and directional marks, and lone surrogates: a name can neither hide nor turn the text
# around it, and can always be written as UTF-8.
_INVISIBLE = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """The text with every invisible or direction-changing character shown as U+FFFD."""
    return _INVISIBLE.sub("\ufffd", text)
