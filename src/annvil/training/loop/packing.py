"""Cutting members into packs, and packs among workers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from annvil.training.loop.batches import BatchShape
from annvil.training.loop.bound_step import probe
from annvil.training.loop.job import TrainingJob

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


def share(sizes: Sequence[float], workers: int) -> list[int]:
    """Which worker gets each pack: the largest first, each to whoever has least."""
    loads = [0.0] * workers
    owner = [0] * len(sizes)
    for place in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        owner[place] = loads.index(min(loads))
        loads[owner[place]] += sizes[place]
    return owner
