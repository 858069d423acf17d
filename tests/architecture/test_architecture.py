"""The rooms above and below the kinds of data know none of them: no word of theirs, no question what inputs are.

Import-linter proves that they import none (`pyproject.toml`); here it is what they say and ask.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import annvil

SOURCE = Path(annvil.__file__).parent

MAY_KNOW = ("data", "kinds", "networks", "onnx", "plots", "preparation", "trainer", "training")
"""Rooms of kinds, and those below that compute on arrays of any shape, images among them."""

KIND_WORDS = re.compile(r"\b(pictures?|images?|pixels?)\b", re.IGNORECASE)

EXCEPTIONS = {
    "__init__.py": "the package offers by name what single kinds have: annvil.augment, annvil.ImageClassifier",
    "bundle/migrations.py": "manifests of format 1 named no kind; a column of images told it",
    "report/figure.py": "widths on a page are pixels, whatever the chart is about",
    "report/page.py": "a section may hold PNG files, whatever the data are",
    "report/templates/sections.html.j2": "the same",
    "sections.py": "the same",
}
"""Files that may use the words, and why."""

ABOVE = ("bundle", "cli", "comparison", "explanation", "report", "run", "server", "studio")
"""Rooms that ask a contender for what it declares, a form for its kind, and never look."""


def files(*endings: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*")):
        name = path.relative_to(SOURCE).as_posix()
        if path.suffix in endings and name.split("/")[0] not in MAY_KNOW:
            yield name, path


def test_no_room_but_those_of_kinds_speaks_of_one() -> None:
    said = {
        name: sorted({found[0] for found in KIND_WORDS.finditer(path.read_text(encoding="utf-8"))})
        for name, path in files(".py", ".j2")
    }
    said = {name: words for name, words in said.items() if words}
    assert {name: words for name, words in said.items() if name not in EXCEPTIONS} == {}
    assert set(EXCEPTIONS) == set(said), "take an exception out when it is not needed any more"


def asks_for_kinds(tree: ast.AST) -> Iterator[int]:
    """Lines with ``isinstance(….inputs, …)``, ``….kind == "…"`` of a form, or a getattr with a default for a name."""
    for node in ast.walk(tree):
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if called == "isinstance" and re.search(r"\binputs$", ast.unparse(node.args[0])):
            yield node.lineno
        if called in ("getattr", "hasattr") and isinstance(node.args[1], ast.Constant) and not _of_the_system(node):
            yield node.lineno
        if isinstance(node, ast.Compare) and re.search(r"form\.kind$", ast.unparse(node.left)):
            yield node.lineno


def _of_the_system(call: ast.Call) -> bool:
    """Flags of ``os`` and details of its errors, which differ from system to system."""
    return ast.unparse(call.args[0]) in ("os", "error")


def test_nobody_above_looks_what_inputs_or_contenders_are() -> None:
    found = [
        f"{name}:{line}"
        for name, path in files(".py")
        if name.split("/")[0] in ABOVE
        for line in asks_for_kinds(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_no_finished_sentence_is_rewritten() -> None:
    """Regular expressions replace in names of folders and of anchors alone."""
    allowed = {"run/folder.py", "report/glossary.py"}
    found = {name for name, path in files(".py") if re.search(r"\bre\.sub\(", path.read_text(encoding="utf-8"))}
    assert found <= allowed


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(dataset.inputs, Table)",
        "getattr(contender, 'ladder', None)",
        "hasattr(contender, 'ladder')",
        "dataset.inputs.form.kind != 'tables'",
    ],
)
def test_what_is_forbidden_is_found(line: str) -> None:
    assert list(asks_for_kinds(ast.parse(line))) == [1]
