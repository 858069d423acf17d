"""No room asks what kind a task is: what differs by it is a method of the task.

Two plain facts about answers may be asked, where a method of its own would be longer than the question: whether outputs
are probabilities (`Task.predicts_probabilities`), and whether a row has exactly one class (`Task.one_class_a_row`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.test_acyclic import sources

KINDS = {"Binary", "Multiclass", "Classification", "Labels", "Regression"}

EXCEPTIONS = {
    # A network of the user's has targets, not a task; what scores one column of them is a task's metrics.
    "annvil.trainer.arguments.metrics",
}
"""Files that name a kind of task, each with its reason."""

FACTS = {"predicts_probabilities", "one_class_a_row"}

MAY_ASK = {
    "annvil.bundle": "a number has no probabilities to give",
    "annvil.comparison": "weighting classes is measured where there are any",
    "annvil.data": "what one column tells is an area under a curve, or a part of the variance",
    "annvil.explanation": "a class loses a share of its probability, a number moves away",
    "annvil.kinds": "sentences, audits and maps are about classes or about a number",
    "annvil.models": "a solver learns classes or numbers; folds of the estimators deal out classes",
    "annvil.preparation": "numbers are scaled as targets, and classes weighted",
    "annvil.report": "predict_proba is shown where there is one",
}
"""Rooms that ask for the two facts, and what for. The command line, the run and the trainer need not."""


def _above(*words: str) -> Iterator[tuple[str, ast.AST]]:
    """Everything in files above that hold one of the words."""
    for module, text in sources().items():
        if not module.startswith("annvil.tasks") and any(word in text for word in words):
            for node in ast.walk(ast.parse(text)):
                yield module, node


def asks_for_the_kind(node: ast.AST) -> bool:
    """``task.kind == …``, ``{…}[task.kind]``, ``{…}.get(task.kind)``, ``isinstance(task, …)``, ``match task.kind``."""
    if isinstance(node, ast.Compare):
        looked_at = [node.left, *node.comparators]
    elif isinstance(node, ast.Subscript):
        looked_at = [node.slice]
    elif isinstance(node, ast.Match):
        looked_at = [node.subject]
    elif isinstance(node, ast.Call):
        named = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if named == "isinstance":
            return _is_task(node.args[0])
        looked_at = list(node.args) if named == "get" else []
    else:
        return False
    return any(isinstance(one, ast.Attribute) and one.attr == "kind" and _is_task(one.value) for one in looked_at)


def _is_task(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id == "task") or (
        isinstance(node, ast.Attribute) and node.attr == "task"
    )


def test_the_rule_finds_what_it_forbids() -> None:
    for bad in ("task.kind == 'x'", "a.task.kind in ()", "{}[task.kind]", "{}.get(task.kind)", "isinstance(a.task, B)"):
        assert any(asks_for_the_kind(node) for node in ast.walk(ast.parse(bad))), bad
    for good in ("field.kind == 'x'", "task.target == 'x'", "print(task.kind)"):
        assert not any(asks_for_the_kind(node) for node in ast.walk(ast.parse(good))), good


def test_no_room_asks_what_kind_a_task_is() -> None:
    found = {
        f"{module}: {ast.unparse(node)}" for module, node in _above(".kind", "isinstance") if asks_for_the_kind(node)
    }
    assert not found


def test_kinds_of_tasks_are_named_in_their_room_alone() -> None:
    named = {
        module
        for module, node in _above("annvil.tasks")
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("annvil.tasks")
        and KINDS & {alias.name for alias in node.names}
    }
    assert named == EXCEPTIONS


def test_the_two_facts_are_asked_where_there_is_a_reason() -> None:
    rooms = {".".join(module.split(".")[:2]) for module, node in _above(*FACTS) if getattr(node, "attr", "") in FACTS}
    assert rooms == set(MAY_ASK)
