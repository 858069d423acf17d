"""All tasks there are: made by name, read from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from annvil.tasks.base import Label, Task
from annvil.tasks.classification import Binary, Multiclass
from annvil.tasks.forecast import Forecast
from annvil.tasks.labels import Labels
from annvil.tasks.regression import Regression
from annvil.tasks.transcription import Transcription

AnyTask = Binary | Multiclass | Regression | Labels | Forecast | Transcription
"""A tagged union: msgspec reads the right one by ``"kind"``."""

_BY_KIND: Mapping[str, type[AnyTask]] = {
    one.kind: one for one in (Binary, Multiclass, Regression, Labels, Forecast, Transcription)
}
TASKS = tuple(kind for kind in _BY_KIND if kind not in (Forecast.kind, Transcription.kind))
"""What a task may be called in a request; forecasts are asked for by their horizon, transcriptions by giving some."""


def make_task(kind: str, target: str, classes: Iterable[Label] = (), reason: str = "") -> Task:
    """The task of that kind."""
    return _BY_KIND[kind](target, tuple(classes), reason)


def tagged(task: Task) -> AnyTask:
    """The same task, for structs that are read again: msgspec must know all that it may be."""
    return cast("AnyTask", task)


def task_from_json(values: Mapping[str, Any]) -> Task:
    """The task that `Task.to_json` wrote."""
    return msgspec.convert(values, cast("type[AnyTask]", AnyTask))
