"""The old name of `annvil.tasks.base`."""

from annvil.tasks.base import Decision as Threshold, FloatArray, IntArray, Label, Task
from annvil.tasks.union import make_task

TaskKind = str

__all__ = ["FloatArray", "IntArray", "Label", "Task", "TaskKind", "Threshold", "make_task"]
