"""Lines to copy: how to predict with the saved model."""

from __future__ import annotations

import shlex

from annvil.report.view import Snippet
from annvil.tasks.base import Task

_ROWS = "rows as a path, a data frame, or a list of dicts"


def usage_snippets(run_folder: str, model_folder: str, task: Task, *, of_pictures: bool = False) -> tuple[Snippet, ...]:
    """How to use the model of a run, from the shell and from Python; paths are quoted for each."""
    new = "new-pictures" if of_pictures else "new.csv"
    rows = "pictures as a path, a folder, an array, or a list of these" if of_pictures else _ROWS
    shell = f"annvil predict {shlex.quote(run_folder)} {new} -o predictions.csv"
    lines = [
        "import annvil",
        "",
        f"model = annvil.load({model_folder!r})",
        f"# new {rows}",
        f'model.predict("{new}")',
    ]
    if task.is_classification:
        lines += ["# one column per class", f'model.predict_proba("{new}")']
    return (
        Snippet("From the command line", "shell", shell),
        Snippet("From Python: needs onnxruntime and NumPy, no training library", "python", "\n".join(lines)),
    )
