"""Lines to copy: how to predict with the saved model."""

from __future__ import annotations

import shlex

from annvil.report.view import Snippet
from annvil.tasks.base import Task
from annvil.text.words import ROWS, Words


def usage_snippets(run_folder: str, model_folder: str, task: Task, words: Words = ROWS) -> tuple[Snippet, ...]:
    """How to use the model of a run, from the shell and from Python; paths are quoted for each."""
    new, rows = words.example, words.example_python
    shell = f"annvil predict {shlex.quote(run_folder)} {new} -o predictions.csv"
    lines = [
        "import annvil",
        "",
        f"model = annvil.load({model_folder!r})",
        f"# new {rows}",
        f'model.predict("{new}")',
    ]
    if task.predicts_probabilities:
        lines += ["# one column per class", f'model.predict_proba("{new}")']
    return (
        Snippet("From the command line", "shell", shell),
        Snippet("From Python: needs onnxruntime and NumPy, no training library", "python", "\n".join(lines)),
    )
