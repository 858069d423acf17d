"""How members are cut into packs, and packs shared among the workers that train them side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from annvil.training.compat.python_values import follow
from annvil.training.loop.batches import BatchShape
from annvil.training.loop.bound_step import Workspace, probe
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.pack import Pack, PackSettings

MOST_SCRATCH = 8 << 20
"""Bytes for a pack's batch, activations and gradients. Measured on one core with 2 MiB of second-level cache: flat from
2 to 8 MB for 64-64 at batch 256 (2.7M to 2.5M member-samples/s), best at 4 to 9 MB for networks with more and smaller
operations (embeddings, dropout), a third slower beyond 13 MB."""

LEAST_MEMBERS = 2
"""Even of wide networks, two train faster together: RealMLP's 3 × 256 98k instead of 91k member-samples/s, in bfloat16
122k instead of 98k (measured); with four, 85k and 120k."""

MOST_MEMBERS = 64
"""More gain little: 64-64, batch 32: 1.2M, 1.4M, 1.5M member-samples/s with 16, 32 and 64 in a pack (measured)."""

MEMBERS_FOR_A_WORKER = 8
"""So many members are worth a pack and a worker of their own (64-64, batch 32: 1.0M with 8, 1.2M with 16; measured)."""

MOST_OF_ROOM = 0.4
"""Share of the available memory that packs may take (assumed: writing a checkpoint needs as much again)."""

SIDE_BY_SIDE = 2
"""Packs that training asks for where members are enough: for two workers, whether or not a second one pays here and
now. Where settings differ, the cut can change last bits, so it may hang on nothing that is measured."""


Threads = ThreadPoolExecutor | None
"""Threads of the workers; None where the caller's own thread is the only one."""


def cut(job: TrainingJob, numbers: Sequence[int], workers: int = 1) -> list[list[int]]:
    """Packs of members that share a `BatchShape`, equal settings side by side, each with at most `MOST_SCRATCH`.

    Smaller packs where that gives each of the ``workers`` one, or equally many (16 × 256-256 in bfloat16 on two
    workers: four packs train 1.07 times as fast as three, measured).

    So memory is `bytes_of` every pack, and for every worker one scratch of 8 MiB, or what two members need.
    """
    by_shape: dict[BatchShape, list[int]] = {}
    for number in numbers:
        by_shape.setdefault(BatchShape.of(job.members[number], job.recipe), []).append(number)
    packs = []
    for shape, mine in sorted(by_shape.items()):
        mine.sort(key=lambda n: (job.members[n].learning_rate, job.members[n].weight_decay, n))
        most = (
            1
            if not job.batched
            else max(LEAST_MEMBERS, min(MOST_MEMBERS, MOST_SCRATCH // probe(job, shape).scratch_bytes))
        )
        n_packs = max(math.ceil(len(mine) / most), min(workers, len(mine) // MEMBERS_FOR_A_WORKER))
        evenly = math.ceil(n_packs / workers) * workers
        if n_packs > workers and len(mine) >= LEAST_MEMBERS * evenly:
            n_packs = evenly
        packs += [mine[len(mine) * i // n_packs : len(mine) * (i + 1) // n_packs] for i in range(n_packs)]
    return packs


def bytes_of(job: TrainingJob, numbers: Sequence[int]) -> int:
    """What a pack holds from its first step to its last: weights, best weights, moments, settings at every place."""
    recipe, members = job.recipe, [job.members[number] for number in numbers]
    arrays = 3 if recipe.optimizer == "sgd" else 4
    arrays += 0 if recipe.average is None else 1
    alike = len({(m.learning_rate, m.weight_decay, m.momentum) for m in members}) == 1
    arrays += 0 if alike else 3  # rates, decays, momenta or directions
    return 4 * arrays * job.layout.size(len(numbers))


def waves(job: TrainingJob, packs: Sequence[list[int]], room: float) -> list[list[list[int]]]:
    """Packs that train at the same time: as many as fit `MOST_OF_ROOM` of ``room`` bytes, at least one.

    Packs are the same in any number of waves, so that memory, which is measured, changes no bits.
    """
    found: list[list[list[int]]] = [[]]
    left = room * MOST_OF_ROOM
    for pack in packs:
        needed = bytes_of(job, pack)
        if found[-1] and needed > left:
            found.append([])
            left = room * MOST_OF_ROOM
        found[-1].append(pack)
        left -= needed
    return found


ROUND_WORK = 3e10
"""Work (`Trace.work`) between two questions whether to stop: about half a second on one core (measured)."""


def rounds_of(job: TrainingJob, packs: Sequence[Pack], workers: int) -> int:
    """How often an epoch asks whether to stop: not more than it has steps."""
    work = sum(pack.shape.steps * len(pack.numbers) * probe(job, pack.shape).work for pack in packs)
    return max(1, min(math.ceil(work / workers / ROUND_WORK), max(pack.shape.steps for pack in packs)))


def share(sizes: Sequence[float], workers: int) -> list[int]:
    """Which worker gets each pack: the largest first, each to whoever has least."""
    loads = [0.0] * workers
    owner = [0] * len(sizes)
    for place in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        owner[place] = loads.index(min(loads))
        loads[owner[place]] += sizes[place]
    return owner


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
        self._own: set[int] = set()  # places of buffers that are no longer the caller's
        self._make_own()
        self.packs: list[Pack] = []
        self._owners: list[int] = []
        self._workspaces = [Workspace() for _ in range(workers)]

    def _make_own(self) -> None:
        for place in set(self._job.moving) - self._own:
            self.buffers[place] = self.buffers[place].clone()
            self._own.add(place)

    def go_over(self, job: TrainingJob, anew: bool) -> None:
        """Let the members train as ``job`` says from now on, the start of an epoch; ``anew``: from what is kept."""
        numbers = [number for pack in self.packs for number in pack.numbers]
        self._job = job
        self._make_own()
        if anew:
            self.packs = []
        self.fill(cut(job, numbers, SIDE_BY_SIDE))

    def check(self, epoch: int, packs: Iterable[Pack], number: int) -> list[str]:
        """`Pack.check` of these packs, one after another: the caller's own code runs in it."""
        with torch.no_grad(), _without_denormals():
            return [pack.check(epoch, number) for pack in packs]

    def follow(self, original: nn.Module, places: Sequence[str]) -> None:
        """Let all networks have the attributes that the caller's has at these places."""
        networks = [self._job.network, self._job.given]
        for pack in self.packs:
            networks += [network for runner in pack.gradients.runners for network in runner.networks]
        for network in networks:
            if network is not original:
                follow(network, original, places)

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
            if pack is None or pack.workspace is not workspace or pack.job is not self._job:
                parameters, buffers = ([value[numbers] for value in values] for values in (self.kept, self.buffers))
                pack = Pack(self._job, numbers, parameters, buffers, workspace, self._settings)
                if before:
                    pack.take_members(before)
            self.packs.append(pack)

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
            for place in self._job.moving:
                self.buffers[place][pack.numbers] = pack.best_buffer(place)

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
