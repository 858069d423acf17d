"""Searching with networks: all jobs, candidates and inner splits of a call trained as populations, of any family.

Every member of a population is one network: one candidate on one inner split of one job. It stops at its own best epoch
on the split's test rows (or trains to the end, where its recipe keeps the last epoch), and its predictions for them are
the out-of-fold predictions that choose and calibrate. Rows of all jobs are stacked, each job prepared by what its own
training rows taught; jobs are only trained apart where a stack would be large, or where the family wants it so.

One preparation serves all inner splits of a job. It looks at no target, so inner scores stay fair to within what the
quartiles of a fifth of the rows can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.jobs import Context, Effort, Job, Running
from annvil.models.measurement import Stopwatch
from annvil.models.networks.family import D, NetworkFamily, S, TrainingData
from annvil.models.networks.populations import Asked, Entry, Trained, train_members
from annvil.models.networks.searches import Searches
from annvil.models.selection import Candidate, Trial, assemble_out_of_fold, judge
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from torch import nn

    from annvil.training import Recipe

STACK_BYTES = 1 << 28
"""Most memory for the stacked rows of jobs that are trained together (assumed); beyond, fewer jobs at a time."""


@dataclass(frozen=True)
class TrainedCandidate(Generic[S]):
    """One candidate of one job after training.

    ``trained`` has one entry per inner split; ``raw`` are uncalibrated out-of-fold outputs
    ``(len(job.rows), n_outputs)``.
    """

    settings: S
    widths: tuple[int, ...]
    trial: Trial
    raw: FloatArray
    trained: tuple[Trained, ...]

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """One for each inner split."""
        return tuple(one.network for one in self.trained)


@dataclass
class Searched(Generic[S]):
    """All candidates of one job, in the order of the portfolio; those that the deadline left out are missing."""

    job: Job
    data: TrainingData
    candidates: list[TrainedCandidate[S]] = field(default_factory=list)
    fit_seconds: float = 0.0
    core_seconds: float = 0.0
    cut_short: bool = False


def search(
    dataset: Dataset[D],
    jobs: Sequence[Job],
    family: NetworkFamily[D, S],
    candidates_of: Callable[[Job, Running], Sequence[S]],
    effort: Effort,
    context: Context,
    searches: Searches | None = None,
) -> Iterator[Searched[S]]:
    """Train every candidate on every inner split of every job; yields one result per job, in order.

    Parameters
    ----------
    candidates_of : the candidates of a job; it may look at the job's rows first
    effort : its ``scale`` multiplies the epochs of the family's recipe, its ``options`` say how to prepare
    searches : where the results are looked up and kept, for contenders that look at the same networks

    The deadline stops training where it is, with the best epochs so far; jobs for which nothing was trained are left
    out.
    """
    jobs, running = list(jobs), context.begin()
    key = "" if searches is None else _key(jobs, family.name, [candidates_of(job, running) for job in jobs], effort)
    known = None if searches is None else searches.get(dataset, key)
    if known is not None:
        yield from known
        return
    found: list[Searched[S]] = []
    for chunk in _chunks(dataset, jobs, family.together):
        if running.is_over():
            break
        watch = Stopwatch()
        asked: list[Asked[S]] = []
        for job in chunk:
            if running.is_over():  # preparing many jobs may take longer than there is time
                break
            asked.append((family.prepare(dataset, job, effort.options), candidates_of(job, running)))
        results = _search_chunk(dataset, asked, family, effort.scale, running)
        for searched in results:
            searched.fit_seconds = watch.seconds / len(results)
            searched.core_seconds = watch.core_seconds / len(results)
        found += results
        if searches is not None and len(found) == len(jobs) and not running.cut_short:
            searches.keep(dataset, key, found)
        yield from results
        if len(results) < len(chunk):
            break


def _chunks(dataset: Dataset[D], jobs: Sequence[Job], together: bool) -> Iterator[list[Job]]:
    """Jobs whose stacked rows fit into memory together, in order; one by one where they are trained alone."""
    chunk: list[Job] = []
    for job in jobs:
        stacked = (
            sum(len(other.rows) for other in [*chunk, job]) * 4 * (dataset.inputs.n_values + dataset.inputs.n_texts + 1)
        )
        if chunk and (stacked > STACK_BYTES or not together):
            yield chunk
            chunk = []
        chunk.append(job)
    if chunk:
        yield chunk


def _search_chunk(
    dataset: Dataset[D], asked: Sequence[Asked[S]], family: NetworkFamily[D, S], scale: float, running: Running
) -> list[Searched[S]]:
    """Train the populations of these jobs, one per shape of network, and judge their candidates."""
    groups: dict[Any, tuple[Recipe, list[Entry]]] = {}
    for number, (data, candidates) in enumerate(asked):
        for candidate, settings in enumerate(candidates):
            recipe = family.recipe(data, settings, scale)
            entries = [Entry(number, candidate, split) for split in range(len(data.splits))]
            shape = (data.shape, family.widths(data, settings), settings.class_weighted, recipe)
            for entry in entries:
                alone = None if family.together else entry
                groups.setdefault((shape, alone), (recipe, []))[1].append(entry)
    trained: dict[Entry, Trained] = {}
    for recipe, entries in groups.values():
        if running.is_over():
            break
        trained |= train_members(asked, entries, recipe, family, dataset.task, running)
    results = []
    for number, (data, candidates) in enumerate(asked):
        searched = Searched[S](data.job, data, cut_short=running.cut_short)
        for candidate, settings in enumerate(candidates):
            entries = [Entry(number, candidate, split) for split in range(len(data.splits))]
            if all(entry in trained for entry in entries):
                networks = tuple(trained[entry] for entry in entries)
                searched.candidates.append(_judged(dataset, family, data, settings, networks))
        if not searched.candidates:
            break
        results.append(searched)
    return results


def _judged(
    dataset: Dataset[D],
    family: NetworkFamily[D, S],
    data: TrainingData,
    settings: S,
    trained: tuple[Trained, ...],
) -> TrainedCandidate[S]:
    outputs = [
        family.outputs(data, settings, one.network, test, dataset.task)
        for one, (_, test) in zip(trained, data.splits, strict=True)
    ]
    described = Candidate(settings.to_json(), settings.describe(), settings.class_weighted)
    return TrainedCandidate(
        settings,
        family.widths(data, settings),
        judge(dataset, data.job, outputs, described),
        assemble_out_of_fold(data.job, outputs),
        trained,
    )


def _key(jobs: Sequence[Job], family: str, settings: Sequence[Sequence[Any]], effort: Effort) -> str:
    digest = hashlib.sha256(repr((family, settings, effort.scale, effort.options)).encode())
    for job in jobs:
        digest.update(f"{job.key} {job.seed} {len(job.inner)}".encode())
        for rows in (job.rows, *(part for split in job.inner for part in (split.train, split.test))):
            digest.update(np.ascontiguousarray(rows).tobytes())
    return digest.hexdigest()
