"""Populations: networks of one shape, of any jobs, candidates and inner splits, trained by one call of the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.models.jobs import Running
from annvil.models.networks.family import NetworkFamily, S, TrainingData
from annvil.preparation import class_weights
from annvil.tasks.base import Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.training import Member, Population, Progress, Recipe


@dataclass(frozen=True)
class Trained:
    """One network after its training; ``best_epoch`` counts from 1, ``state`` is in words, ``epochs`` were asked."""

    network: nn.Module
    history: Mapping[str, Sequence[float]]
    best_epoch: int
    state: str
    epochs: int


@dataclass(frozen=True)
class Entry:
    """What one member of a population stands for: a job of the call, a candidate of it, an inner split."""

    job: int
    candidate: int
    split: int


Asked = tuple[TrainingData, Sequence[S]]
"""A job's rows and its candidates."""


def train_members(
    asked: Sequence[Asked[S]],
    entries: Sequence[Entry],
    recipe: Recipe,
    family: NetworkFamily[Any, S],
    task: Task,
    running: Running,
    tell: Callable[[Progress], None] | None = None,
) -> dict[Entry, Trained]:
    """The members of one population: networks of one shape, trained with one recipe."""

    from annvil.training import train_population

    used = sorted({entry.job for entry in entries})
    datas = [asked[number][0] for number in used]
    starts = dict(zip(used, np.cumsum([0, *(len(data.targets) for data in datas)]), strict=False))
    loss = family.loss(task)
    smooths, validates = loss == "cross-entropy", recipe.keep != "last"
    members = [_member(*asked[e.job], e, int(starts[e.job]), family, smooths, validates) for e in entries]
    entry_of = {(m.race, m.candidate, m.seed): entry for m, entry in zip(members, entries, strict=True)}

    def make_network(member: Member) -> nn.Module:
        entry = entry_of[member.race, member.candidate, member.seed]
        data, candidates = asked[entry.job]
        return family.network(data, candidates[entry.candidate], entry.split, member.seed)

    def say(progress: Progress) -> None:
        running.tell(progress.notice or f"epoch {progress.epoch} of {progress.epochs}, {progress.active} networks")

    first = asked[entries[0].job][1][entries[0].candidate]
    population = train_population(
        make_network,
        tuple(_joined(parts) for parts in zip(*(data.inputs for data in datas), strict=True)),
        _joined([data.targets for data in datas]),
        members,
        replace(recipe, threads=running.threads or "auto"),
        loss,
        weights=_row_weights(datas, task, by_class=first.class_weighted),
        should_stop=lambda: running.deadline.passed,
        checkpoint=None if running.folder is None else running.folder / _checkpoint(asked, entries, recipe),
        tell=tell or say,
        augment=family.augment(first),
    )
    running.cut_short |= population.cut_short
    return {entry: _trained(population, place, recipe) for place, entry in enumerate(entries)}


def _member(
    data: TrainingData,
    candidates: Sequence[S],
    entry: Entry,
    start: int,
    family: NetworkFamily[Any, S],
    smooths: bool,
    validates: bool,
) -> Member:
    """One network: ``start`` is where its job's rows begin in the stack."""
    from annvil.training import Member

    settings = candidates[entry.candidate]
    train, test = data.splits[entry.split]
    return Member(
        train=start + train,
        validation=start + (test if validates else test[:0]),
        seed=family.seed(data.job, settings, entry.split),
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        dropout=settings.dropout,
        label_smoothing=settings.label_smoothing if smooths else 0.0,
        candidate=settings.number,
        race=data.job.key,
    )


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Rows of all jobs end to end; those of a single one where they lie."""
    import torch

    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _row_weights(datas: Sequence[TrainingData], task: Task, *, by_class: bool) -> Tensor | None:
    """Of all rows end to end: those of the jobs times those of the classes; None where every row counts the same."""
    import torch

    if not by_class and all(data.weights is None for data in datas):
        return None
    made = []
    for data in datas:
        y = data.targets.numpy()
        weights = np.ones(len(y)) if data.weights is None else data.weights
        made.append(weights * class_weights(y, task.n_outputs)[y] if by_class else weights)
    return torch.from_numpy(np.concatenate(made).astype(np.float32))


def _trained(population: Population, place: int, recipe: Recipe) -> Trained:
    history = {name: values for name, values in population.histories[place].items() if np.isfinite(values).any()}
    best = int(population.best_epochs[place])
    return Trained(population.network(place), history, best, population.states[place], recipe.epochs)


def train_one(
    data: TrainingData,
    family: NetworkFamily[Any, S],
    settings: S,
    task: Task,
    running: Running,
    tell: Callable[[Progress], None] | None = None,
) -> Trained:
    """One network that learns from the first split of a job, however little time is left."""
    entry = Entry(0, 0, 0)
    recipe = family.recipe(data, settings, 1.0)
    return train_members([(data, [settings])], [entry], recipe, family, task, running, tell)[entry]


def _checkpoint(asked: Sequence[Asked[Any]], entries: Sequence[Entry], recipe: Recipe) -> str:
    """A file of its own for each population of a call."""
    content = [(asked[e.job][0].job.key, asked[e.job][1][e.candidate], e.split) for e in entries]
    digest = hashlib.sha256(repr((content, recipe)).encode())
    for entry in entries:  # a contender may train on several divisions of one job, one call after another
        for rows in asked[entry.job][0].splits[entry.split]:
            digest.update(np.ascontiguousarray(rows).tobytes() + b"|")
    return f"population-{digest.hexdigest()[:16]}"
