"""What identifies a comparison: the same data asked the same question in the same way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.comparison.plan import Schedule
from annvil.comparison.request import Request
from annvil.data.table import Dataset, Inputs
from annvil.models.contract import Contender


def fingerprint(
    dataset: Dataset[Inputs], contenders: Sequence[Contender], request: Request, schedule: Schedule
) -> dict[str, Any]:
    """JSON-able; each entry is named as a user would name what differs."""
    return {
        "Annvil's version": version("annvil"),
        "the data": data_digest(dataset),
        "the task": dataset.task.to_json(),
        "the columns": [list(column) for column in dataset.inputs.form.columns],
        "the metric": request.metric.name,
        "worth": request.worth,
        "the budget": request.budget_seconds,
        "the seed": request.seed,
        "the confidence": request.confidence,
        "the contenders": [contender.name for contender in contenders],
        "the plan": asdict(replace(schedule.plan, sentences=())),
    }


def data_digest(dataset: Dataset[Inputs]) -> str:
    """BLAKE2b of everything the comparison can see: inputs, target, groups, time."""
    digest = hashlib.blake2b(dataset.inputs.digest().encode(), digest_size=20)
    for array in _arrays(dataset):
        digest.update(str((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _arrays(dataset: Dataset[Inputs]) -> Iterable[NDArray[Any]]:
    yield dataset.y
    yield dataset.groups
    if dataset.time is not None:
        yield dataset.time
