"""Lines to copy: how to predict with the saved model."""

from __future__ import annotations

import shlex

from annvil.report.view import Snippet
from annvil.task import Task


def usage_snippets(run_folder: str, model_folder: str, task: Task) -> tuple[Snippet, ...]:
    """How to use the model of a run, from the shell and from Python; paths are quoted for each."""
    shell = f"annvil predict {shlex.quote(run_folder)} new.csv -o predictions.csv"
    lines = [
        "import annvil",
        "",
        f"model = annvil.load({model_folder!r})",
        "# new rows as a path, a data frame, or a list of dicts",
        'model.predict("new.csv")',
    ]
    if task.is_classification:
        lines += ["# one column per class", 'model.predict_proba("new.csv")']
    return (
        Snippet("From the command line", "shell", shell),
        Snippet("From Python: needs onnxruntime and NumPy, no training library", "python", "\n".join(lines)),
    )
