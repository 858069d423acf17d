"""For the API pages: parameters as this project writes them, ``name : what it is``, as numpydoc reads them.

numpydoc takes what follows the colon for a type. Here types are annotations, which cannot go stale, and the text begins
at once; so each such line becomes a bare name with its text below, and the pages take the type from the signature.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_SECTIONS = {"Parameters", "Attributes", "Other Parameters"}
_ITEM = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*) : (.+)")


class Prose(griffe.Extension):
    """Rewrites docstrings before they are parsed."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(docstring: str) -> str:
    """The docstring with every ``name : text`` of a section of parameters as a name and an indented text."""
    lines, inside = docstring.split("\n"), False
    out: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following and set(following) == {"-"}:
            inside = line in _SECTIONS
        item = _ITEM.fullmatch(line) if inside else None
        out += [item[1], f"    {item[2]}"] if item else [line]
    return "\n".join(out)
