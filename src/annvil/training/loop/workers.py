"""The packs of a run and the workers that train them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from annvil.training.loop.batches import BatchShape
from annvil.training.loop.bound_step import Workspace
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.pack import Pack, PackSettings
from annvil.training.loop.packing import SIDE_BY_SIDE, cut, share

Threads = ThreadPoolExecutor | None
"""Threads of the workers; None where the caller's own thread is the only one."""


@contextmanager
def at_work(workers: int) -> Iterator[Threads]:
    """The workers' threads: what is set there of the processor ends with them.

    A single worker needs none: handing over and waiting takes longer than an epoch of a few rows (measured).
    """
    if workers == 1:
        yield None
        return
    with ThreadPoolExecutor(workers, initializer=torch.set_flush_denormal, initargs=(True,)) as threads:
        yield threads


class WorkerPool:
    """Packs with their owners, and what is kept of every member.

    ``kept`` are the stacked weights ``(K, *shape)`` with which members start; once a member has left, or after
    `keep_best`, those of its best epoch. ``buffers`` are all members' buffers likewise.
    """

    def __init__(
        self, job: TrainingJob, settings: PackSettings, kept: list[Tensor], buffers: Sequence[Tensor], workers: int
    ) -> None:
        self._job, self._settings, self._workers = job, settings, workers
        self.kept, self.buffers = kept, list(buffers)
        for place in job.moving:
            self.buffers[place] = buffers[place].clone()
        self.packs: list[Pack] = []
        self._owners: list[int] = []
        self._workspaces = [Workspace() for _ in range(workers)]

    def each(self, threads: Threads, do: Callable[[Pack], Any]) -> list[Any]:
        """``do`` for every pack, each on its own worker; the results in the order of the packs.

        Without threads, the caller is the only worker.
        """
        if threads is None:
            with torch.no_grad(), _without_denormals():
                return [do(pack) for pack in self.packs]

        def mine(worker: int) -> list[tuple[int, Any]]:
            with torch.no_grad():
                return [(i, do(pack)) for i, pack in enumerate(self.packs) if self._owners[i] == worker]

        found = [pair for pairs in threads.map(mine, range(self._workers)) for pair in pairs]
        return [result for _, result in sorted(found, key=lambda pair: pair[0])]

    def fill(self, wanted: Sequence[list[int]]) -> None:
        """Packs of the members ``wanted``; the best weights of those that leave are kept."""
        before = self.packs
        staying = {tuple(pack.numbers): pack for pack in before}
        self.keep_best()
        members, recipe = self._job.members, self._job.recipe
        work = [len(numbers) * BatchShape.of(members[numbers[0]], recipe).rows for numbers in wanted]
        self._owners = share(work, self._workers)
        self.packs = []
        for numbers, owner in zip(wanted, self._owners, strict=True):
            workspace = self._workspaces[owner]
            pack = staying.get(tuple(numbers))
            if pack is None or pack.workspace is not workspace:
                pack = self._new_pack(numbers, workspace)
                if before:
                    pack.take_members(before)
            self.packs.append(pack)

    def _new_pack(self, numbers: list[int], workspace: Workspace) -> Pack:
        parameters, buffers = ([value[numbers] for value in values] for values in (self.kept, self.buffers))
        return Pack(self._job, numbers, parameters, buffers, workspace, self._settings)

    def let_go(self, trains: Callable[[int], bool]) -> None:
        """Remove members that stopped, once half of a kind's members have: then the others are packed anew.

        Until then they go on computing unheard, which is cheaper than packing and recording again for every one.
        """
        kinds: dict[BatchShape, list[Pack]] = {}
        for pack in self.packs:
            kinds.setdefault(pack.shape, []).append(pack)
        left: list[list[int]] = []
        changed = False
        for packs in kinds.values():
            present = [number for pack in packs for number in pack.numbers]
            active = [number for number in present if trains(number)]
            if 2 * len(active) <= len(present):
                left += cut(self._job, active, SIDE_BY_SIDE) if active else []
                changed = True
            else:
                left += [pack.numbers for pack in packs]
        if changed:
            self.fill(left)

    def dismiss(self) -> None:
        """Everybody leaves; their best weights are kept."""
        self.keep_best()
        self.packs, self._owners = [], []

    def keep_best(self) -> None:
        """What is kept of the members in packs are the weights of their best epochs so far."""
        for pack in self.packs:
            for stacked, view in zip(self.kept, pack.views(pack.best), strict=True):
                stacked[pack.numbers] = view
            for place, best in zip(self._job.moving, pack.best_moving, strict=True):
                self.buffers[place][pack.numbers] = best

    def state(self) -> dict[str, Tensor]:
        """All tensors that training goes on from."""
        tensors = {f"kept {i}": value for i, value in enumerate(self.kept)}
        tensors |= {f"kept buffer {i}": self.buffers[i] for i in self._job.moving}
        for number, pack in enumerate(self.packs):
            tensors |= {f"pack {number} {name}": value for name, value in pack.state().items()}
        return tensors

    def set_state(self, tensors: dict[str, Tensor], packs: Sequence[list[int]]) -> None:
        """Take over what `state` returned when the members were in these packs."""
        self.fill(packs)
        for i, value in enumerate(self.kept):
            value.copy_(tensors[f"kept {i}"])
        for i in self._job.moving:
            self.buffers[i].copy_(tensors[f"kept buffer {i}"])
        for number, pack in enumerate(self.packs):
            start = f"pack {number} "
            pack.set_state({n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)})


_DENORMAL = torch.ones(1, dtype=torch.int32).view(torch.float32)


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Moments of units that get no gradient any more fade into denormal numbers, on which processors are slow.

    They are flushed to zero; then the caller's own setting, which can only be read off what it does, is put back.
    """
    flushes = not bool(_DENORMAL * 1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushes)
