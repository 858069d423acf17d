"""What a listener and a metric see of a population between two epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.tasks.base import FloatArray
from annvil.training.loop.history import Record
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.workers import WorkerPool
from annvil.training.population import Population
from annvil.training.recipe import Metric


class Now:
    """The weights of a population as they were last validated; of members that stopped, those of their best epoch."""

    def __init__(self, job: TrainingJob, records: Sequence[Record], pool: WorkerPool) -> None:
        self._job, self._records, self._pool = job, records, pool
        self._places = {number: (pack, place) for pack in pool.packs for place, number in enumerate(pack.numbers)}

    def population(self, numbers: Sequence[int], computes: nn.Module | None = None) -> Population:
        """These members alone, as a population of their own, whose predictions the network ``computes`` if given."""
        by_member = [self._weights(number) for number in numbers]
        buffers = [self._buffers_of(number) for number in numbers]
        return Population(
            states=tuple(self._records[number].state for number in numbers),
            histories=(),
            best_epochs=np.zeros(0, dtype=np.int64),
            validation_loss=np.zeros(0),
            choices={},
            cut_short=False,
            _job=self._job,
            _parameters=[torch.stack(values) for values in zip(*by_member, strict=True)],
            _buffers=[torch.stack(values) for values in zip(*buffers, strict=True)],
            _computes=computes,
        )

    def gradients(self, number: int) -> dict[str, Tensor]:
        """The gradient of the last update by parameter; empty where there is none."""
        if number not in self._places or not self._records[number].trains:
            return {}
        pack, place = self._places[number]
        if pack.last_update is None:
            return {}
        views = pack.views(pack.last_update)
        return {name: view[place].clone() for name, view in zip(self._job.layout.names, views, strict=True)}

    def _weights(self, number: int) -> list[Tensor]:
        if number not in self._places:
            return [value[number] for value in self._pool.kept]
        pack, place = self._places[number]
        flat = pack.judged if self._records[number].trains else pack.best
        return [view[place] for view in pack.views(flat)]

    def _buffers_of(self, number: int) -> list[Tensor]:
        buffers = [value[number] for value in self._pool.buffers]
        if number in self._places:
            pack, place = self._places[number]
            moving = pack.moving if self._records[number].trains else pack.best_moving
            for i, value in zip(self._job.moving, moving, strict=True):
                buffers[i] = value[place]
        return buffers


class LookNow:
    """The `Look` given to a listener after ``epoch``."""

    def __init__(self, now: Now, records: Sequence[Record], present: Sequence[int], epoch: int) -> None:
        self._now, self._records, self._present, self._epoch = now, records, present, epoch

    @property
    def training(self) -> tuple[int, ...]:
        return tuple(number for number in self._present if self._records[number].trains)

    def network(self, member: int) -> nn.Module:
        return self._now.population([member]).network(0)

    def gradients(self, member: int) -> dict[str, Tensor]:
        return self._now.gradients(member)

    def predict(self, inputs: tuple[Tensor, ...], rows: Any = None, members: Sequence[int] | None = None) -> Tensor:
        numbers = range(len(self._records)) if members is None else members
        return self._now.population(numbers).predict(inputs, rows)

    def stop(self, member: int, because: str = "by the listener") -> None:
        if self._records[member].trains:
            self._records[member].state = f"stopped at epoch {self._epoch} {because}"


def measure(
    metric: Metric, now: Now, job: TrainingJob, numbers: Sequence[int], computes: nn.Module | None = None
) -> FloatArray:
    """The caller's metric of the members ``numbers`` on their validation rows, NaN for those without any.

    ``computes``: see `Now.population`.

    Raises
    ------
    RequestError
        When the metric does not return one number for each member.
    """
    values = np.full(len(numbers), np.nan)
    by_count: dict[int, list[int]] = {}
    for place, number in enumerate(numbers):
        by_count.setdefault(len(job.members[number].validation), []).append(place)
    for count, places in by_count.items():
        if count == 0:
            continue
        mine = [numbers[place] for place in places]
        rows = torch.as_tensor(
            np.stack([np.asarray(job.members[number].validation) for number in mine]).astype(np.int64)
        )
        found = np.asarray(metric(now.population(mine, computes).predict(job.inputs, rows), rows), dtype=np.float64)
        if found.shape != (len(mine),):
            raise RequestError(
                f"metric must return one number for each of the {len(mine)} members whose outputs it is given; "
                f"got an array of shape {found.shape}."
            )
        values[places] = found
    return values
