"""Searching with networks: all jobs, candidates and inner splits of a call trained as populations.

Every member of a population is one network: one candidate on one inner split of one job. It stops at its own best epoch
on the split's test rows, and its predictions for them are the out-of-fold predictions that choose and calibrate. Rows
of all jobs are stacked, each job prepared by what its own training rows taught; jobs are only trained apart where a
stack would be large.

One preparation serves all inner splits of a job. It looks at no target, so inner scores stay fair to within what the
quartiles of a fifth of the rows can tell.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.data.table import Dataset
from annvil.models.contract import Context, Job, PreparationOptions, Running
from annvil.models.measurement import Stopwatch
from annvil.models.networks.bag import as_tensors, network_outputs
from annvil.models.networks.recipe import Architecture, Settings, Sizes
from annvil.models.selection import Candidate, Trial, assemble_out_of_fold, inner_positions, judge
from annvil.preparation import NetworkPreparation, TargetScaling, class_weights
from annvil.tasks.base import FloatArray, IntArray

if TYPE_CHECKING:
    import torch
    from torch import nn

    from annvil.training import Population, Progress, Recipe

STACK_BYTES = 1 << 28
"""Most memory for the stacked rows of jobs that are trained together (assumed); beyond, fewer jobs at a time."""

INITIAL_ROWS = 512
"""Training rows that initial weights are fitted to (assumed: enough for standard deviations)."""


@dataclass
class TrainedCandidate:
    """One candidate of one job after training.

    ``networks`` and ``histories`` have one entry per inner split, as have ``best_epochs`` (counted from 1) and
    ``states`` (in words); ``raw`` are uncalibrated out-of-fold outputs ``(len(job.rows), n_outputs)``.
    """

    settings: Settings
    widths: tuple[int, ...]
    trial: Trial
    raw: FloatArray
    networks: tuple[nn.Module, ...]
    histories: tuple[dict[str, list[float]], ...]
    best_epochs: tuple[int, ...]
    states: tuple[str, ...]
    epochs: int


@dataclass
class Searched:
    """All candidates of one job, in the order of the portfolio; those that the deadline left out are missing."""

    job: Job
    preparation: NetworkPreparation
    target: TargetScaling | None
    candidates: list[TrainedCandidate] = field(default_factory=list)
    fit_seconds: float = 0.0
    core_seconds: float = 0.0
    cut_short: bool = False


@dataclass
class _Prepared:
    """A job's rows, ready for training; ``splits`` hold positions within them."""

    job: Job
    preparation: NetworkPreparation
    target: TargetScaling | None
    numbers: torch.Tensor
    codes: torch.Tensor
    targets: torch.Tensor
    splits: list[tuple[IntArray, IntArray]]
    sizes: Sizes
    settings: Sequence[Settings]
    recipe: Recipe


@dataclass(frozen=True)
class _Entry:
    """What one member of a population stands for: a job of the call, a candidate of it, an inner split."""

    job: int
    candidate: int
    split: int


def search(
    dataset: Dataset,
    jobs: Sequence[Job],
    architecture: Architecture,
    settings_of: Callable[[Job], Sequence[Settings]],
    scale: float,
    options: PreparationOptions,
    context: Context,
) -> Iterator[Searched]:
    """Train every candidate on every inner split of every job; yields one result per job, in order.

    Parameters
    ----------
    settings_of : the candidates of a job, as places in the portfolio and what they mean
    scale : multiplies the epochs of the architecture's recipe

    The deadline stops training where it is, with the best epochs so far; jobs for which nothing was trained are left
    out. A result that is still in memory from another contender of the same call is not trained again (`remembered`).
    """
    jobs, running = list(jobs), context.begin()
    key = _key(jobs, architecture, [settings_of(job) for job in jobs], scale, options)
    known = remembered(dataset, key)
    if known is not None:
        yield from known
        return
    found: list[Searched] = []
    for chunk in _chunks(dataset, jobs):
        if running.is_over():
            break
        watch = Stopwatch()
        prepared = [_prepare(dataset, job, architecture, settings_of(job), scale, options) for job in chunk]
        results = _train_chunk(dataset, prepared, architecture, running)
        for searched in results:
            searched.fit_seconds = watch.seconds / len(results)
            searched.core_seconds = watch.core_seconds / len(results)
        found += results
        if len(found) == len(jobs):
            _remember(dataset, key, found)
        yield from results
        if len(results) < len(chunk):
            break


def _chunks(dataset: Dataset, jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Jobs whose stacked rows fit into memory together, in order."""
    chunk: list[Job] = []
    for job in jobs:
        together = sum(len(other.rows) for other in [*chunk, job]) * 4 * (len(dataset.inputs.columns) + 1)
        if chunk and together > STACK_BYTES:
            yield chunk
            chunk = []
        chunk.append(job)
    if chunk:
        yield chunk


def _prepare(
    dataset: Dataset,
    job: Job,
    architecture: Architecture,
    settings: Sequence[Settings],
    scale: float,
    options: PreparationOptions,
) -> _Prepared:
    import torch

    from annvil.networks import quantile_edges

    inputs, y, task = dataset.inputs.take(job.rows), dataset.y[job.rows], dataset.task
    preparation, prepared = NetworkPreparation.fit_transform(
        inputs, scaling=options.scaling, y=y, task=task, seed=job.seed
    )
    target = TargetScaling.of(task, y)
    answers = np.asarray(y, dtype=task.link.dtype) if target is None else target.transform(y)
    targets = torch.from_numpy(answers)
    numbers, codes = as_tensors(prepared)
    splits = _positions(job)
    sizes = Sizes(
        n_rows=max(len(train) for train, _ in splits),
        n_numbers=numbers.shape[1],
        n_continuous=preparation.n_continuous,
        cardinalities=preparation.cardinalities,
        n_outputs=task.n_outputs,
        is_classification=task.predicts_probabilities,
    )
    n_bins = architecture.bins(sizes)
    if n_bins and sizes.n_continuous:
        sizes = replace(sizes, edges=quantile_edges(prepared.numbers[:, : sizes.n_continuous], n_bins))
    recipe = architecture.recipe(sizes, settings[0], scale)
    return _Prepared(job, preparation, target, numbers, codes, targets, splits, sizes, settings, recipe)


def _positions(job: Job) -> list[tuple[IntArray, IntArray]]:
    """Training and test rows of the inner splits as positions in ``job.rows``."""
    order = np.argsort(job.rows, kind="stable")
    tests = inner_positions(job)
    trains = [order[np.searchsorted(job.rows, split.train, sorter=order)] for split in job.inner]
    return list(zip(trains, tests, strict=True))


def _train_chunk(
    dataset: Dataset, prepared: list[_Prepared], architecture: Architecture, running: Running
) -> list[Searched]:
    """Train the populations of these jobs, one per shape of network, and judge their candidates."""
    groups: dict[Any, list[_Entry]] = {}
    for number, ready in enumerate(prepared):
        for candidate, settings in enumerate(ready.settings):
            kind = (
                *ready.sizes.shape,
                architecture.shape(ready.sizes, settings),
                settings.class_weighted,
                ready.recipe,
            )
            entries = groups.setdefault(kind, [])
            entries += [_Entry(number, candidate, split) for split in range(len(ready.splits))]
    trained: dict[_Entry, tuple[Population, int]] = {}
    for entries in groups.values():
        if running.is_over():
            break
        population = _train_group(dataset, prepared, entries, architecture, running)
        running.cut_short |= population.cut_short
        trained |= {entry: (population, place) for place, entry in enumerate(entries)}
    results = []
    for number, ready in enumerate(prepared):
        searched = _judge_job(dataset, number, ready, architecture, trained)
        if not searched.candidates:
            break
        searched.cut_short = running.cut_short
        results.append(searched)
    return results


def _train_group(
    dataset: Dataset, prepared: list[_Prepared], entries: list[_Entry], architecture: Architecture, running: Running
) -> Population:
    import torch

    from annvil.training import Member, train_population

    used = sorted({entry.job for entry in entries})
    starts = dict(zip(used, np.cumsum([0, *(len(prepared[number].targets) for number in used)]), strict=False))
    members = []
    for entry in entries:
        ready, start = prepared[entry.job], int(starts[entry.job])
        settings = ready.settings[entry.candidate]
        train, test = ready.splits[entry.split]
        members.append(
            Member(
                train=start + train,
                validation=start + test,
                seed=_seed(ready.job, settings.number, entry.split),
                learning_rate=settings.learning_rate,
                weight_decay=settings.weight_decay,
                dropout=settings.dropout,
                label_smoothing=settings.label_smoothing,
                candidate=settings.number,
                race=ready.job.key,
            )
        )
    first = prepared[used[0]]
    numbers = torch.cat([prepared[number].numbers for number in used])
    codes = torch.cat([prepared[number].codes for number in used])
    about = {(prepared[e.job].job.key, prepared[e.job].settings[e.candidate].number): e for e in entries}

    def make_network(member: Any) -> nn.Module:
        entry = about[member.race, member.candidate]
        ready = prepared[entry.job]
        rows = np.random.default_rng(member.seed).choice(
            member.train, min(INITIAL_ROWS, len(member.train)), replace=False
        )
        return architecture.network(
            ready.sizes, ready.settings[entry.candidate], numbers[rows], codes[rows], member.seed
        )

    weights = None
    if first.settings[entries[0].candidate].class_weighted:
        per_job = [_row_weights(dataset, prepared[number].job) for number in used]
        weights = torch.from_numpy(np.concatenate(per_job))

    def say(progress: Progress) -> None:
        running.tell(progress.notice or f"epoch {progress.epoch} of {progress.epochs}, {progress.active} networks")

    return train_population(
        make_network,
        (numbers, codes),
        torch.cat([prepared[number].targets for number in used]),
        members,
        replace(first.recipe, threads=running.threads or "auto"),
        dataset.task.link.loss,
        weights=weights,
        should_stop=lambda: running.deadline.passed,
        checkpoint=_checkpoint(running.folder, prepared, entries, first.recipe),
        tell=say,
    )


def _row_weights(dataset: Dataset, job: Job) -> Any:
    y = dataset.y[job.rows]
    return class_weights(y, dataset.task.n_outputs)[y].astype(np.float32)


def _seed(job: Job, number: int, split: int) -> int:
    """A seed for each network of a job, whoever trains beside it."""
    return int(np.random.SeedSequence([job.seed, number, split]).generate_state(1)[0])


def _judge_job(
    dataset: Dataset,
    number: int,
    ready: _Prepared,
    architecture: Architecture,
    trained: dict[_Entry, tuple[Population, int]],
) -> Searched:
    searched = Searched(ready.job, ready.preparation, ready.target)
    for candidate, settings in enumerate(ready.settings):
        entries = [_Entry(number, candidate, split) for split in range(len(ready.splits))]
        if not all(entry in trained for entry in entries):
            continue
        pairs = [trained[entry] for entry in entries]
        networks = tuple(population.network(place) for population, place in pairs)
        outputs = [
            network_outputs(network, ready.numbers[test], ready.codes[test], ready.target, dataset.task.link)
            for network, (_, test) in zip(networks, ready.splits, strict=True)
        ]
        described = Candidate(settings.to_json(), settings.describe(), settings.class_weighted)
        searched.candidates.append(
            TrainedCandidate(
                settings=settings,
                widths=architecture.shape(ready.sizes, settings),
                trial=judge(dataset, ready.job, outputs, described),
                raw=assemble_out_of_fold(ready.job, outputs),
                networks=networks,
                histories=tuple(dict(population.histories[place]) for population, place in pairs),
                best_epochs=tuple(int(population.best_epochs[place]) for population, place in pairs),
                states=tuple(population.states[place] for population, place in pairs),
                epochs=ready.recipe.epochs,
            )
        )
    return searched


# -- what is known already ---------------------------------------------------------------------------------------------

_LATEST: dict[str, tuple[weakref.ref[Dataset], list[Searched]]] = {}
_MOST_REMEMBERED = 2


def remembered(dataset: Dataset, key: str) -> list[Searched] | None:
    """The result of the same search of the same data set, when it was one of the last in this process.

    Two contenders look at one population: the best candidate, and the ensemble of all. Which of them trains it makes
    no difference to what either returns.
    """
    known = _LATEST.get(key)
    return known[1] if known is not None and known[0]() is dataset else None


def _remember(dataset: Dataset, key: str, found: list[Searched]) -> None:
    for old in [k for k, (alive, _) in _LATEST.items() if alive() is None]:
        _LATEST.pop(old, None)
    for old in list(_LATEST)[: -_MOST_REMEMBERED + 1]:
        _LATEST.pop(old, None)
    _LATEST[key] = (weakref.ref(dataset), found)


def _key(
    jobs: Sequence[Job], architecture: Architecture, settings: Sequence[Sequence[Settings]], scale: float, options: Any
) -> str:
    digest = hashlib.sha256(repr((architecture.name, settings, scale, options)).encode())
    for job in jobs:
        digest.update(f"{job.key} {job.seed} {len(job.inner)}".encode())
        for rows in (job.rows, *(part for split in job.inner for part in (split.train, split.test))):
            digest.update(np.ascontiguousarray(rows).tobytes())
    return digest.hexdigest()


def _checkpoint(folder: Path | None, prepared: list[_Prepared], entries: list[_Entry], recipe: Recipe) -> Path | None:
    """A file of its own for each population of a call."""
    if folder is None:
        return None
    content = [(prepared[e.job].job.key, prepared[e.job].settings[e.candidate], e.split) for e in entries]
    digest = hashlib.sha256(repr((content, recipe)).encode()).hexdigest()[:16]
    return folder / f"population-{digest}"
