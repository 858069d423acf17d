"""Files form no circles: whoever reads one finds all that it needs below it, and can move or test it alone.

Import-linter proves the floors of the house, which are rooms. Here it is files, and imports inside functions and under
``TYPE_CHECKING`` count, because that is where circles hide.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import annvil

SOURCE = Path(annvil.__file__).parent


def imports_of(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """The modules among ``sources`` (text by name) that each of them imports, wherever in the file that is."""
    found: dict[str, set[str]] = {}
    for module, text in sources.items():
        names: set[str] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= inner & sources.keys() or {node.module}
        found[module] = (names & sources.keys()) - {module}
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """One circle after another, each with its last edge taken out before the next is looked for."""
    found = []
    left = {module: set(needs) for module, needs in edges.items()}
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle = list(
                reversed(error.args[1])
            )  # first the importer, then what it imports; the first comes last again
            found.append(circle)
            left[circle[0]].discard(circle[1])
        else:
            return found


def sources() -> dict[str, str]:
    """The text of every module of the package, by name."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = ["annvil", *path.relative_to(SOURCE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


def test_no_files_import_each_other_in_a_circle() -> None:
    found = circles(imports_of(sources()))
    assert not found, "\n".join(" → ".join(circle) for circle in found)


def test_a_circle_is_found_wherever_it_hides() -> None:
    planted = {
        "a.one": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a.two import Two",
        "a.two": "def later():\n    from a import three",
        "a.three": "import a.one",
        "a.four": "import a.one, a.two",
        "a": "",
    }
    edges = imports_of(planted)
    assert edges["a.four"] == {"a.one", "a.two"}
    ((first, *rest),) = circles(edges)
    assert {first, *rest} == {"a.one", "a.two", "a.three"}
    assert all(after in edges[before] for before, after in zip([first, *rest], rest, strict=False))
