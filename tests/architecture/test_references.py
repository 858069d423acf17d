"""A name of Annvil's in backticks is a name that exists: moving a file must not leave a docstring pointing nowhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = re.compile(r"`(annvil(?:\.\w+)+)`")
SOURCE = ROOT / "src"


@cache
def modules() -> dict[str, Path]:
    """Every module by name."""
    paths = SOURCE.rglob("*.py")
    return {".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def names_in(module: str) -> frozenset[str]:
    """What a module defines or imports, wherever in the file that is."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return frozenset(found)


def exists(reference: str) -> bool:
    """Whether it is a module, or a name in the longest module that it begins with."""
    parts = reference.split(".")
    length = max(n for n in range(1, len(parts) + 1) if ".".join(parts[:n]) in modules())
    return length == len(parts) or parts[length] in names_in(".".join(parts[:length]))


def texts() -> Iterator[Path]:
    """Sources and pages; records of decisions keep the names of their day."""
    yield from SOURCE.rglob("*.py")
    yield from (ROOT / "docs").glob("*.md")
    yield from (ROOT / "benchmarks").rglob("*.py")


def test_names_in_backticks_exist():
    stale = [
        f"{path.relative_to(ROOT)}: {found[1]}"
        for path in texts()
        for found in REFERENCE.finditer(path.read_text(encoding="utf-8"))
        if not exists(found[1])
    ]
    assert not stale, "\n".join(stale)


@pytest.mark.parametrize(
    ("reference", "there"),
    [
        ("annvil.fit", True),
        ("annvil.errors", True),
        ("annvil.errors.DataError", True),
        ("annvil.errors.Nothing", False),
    ],
)
def test_what_counts_as_existing(reference, there):
    assert exists(reference) is there
