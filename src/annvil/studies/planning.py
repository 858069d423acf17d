"""What a study measures, decided before anything is trained: arithmetic from sizes and budget, as the race's plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from annvil.comparison.allowances import SHORTEST_SCALE
from annvil.comparison.plan import shape_of
from annvil.data.images import Images
from annvil.data.table import Dataset
from annvil.models.contract import Contender, Effort, Shape
from annvil.models.network_recipe import SETUP_SECONDS
from annvil.studies.disturbing import squares_for

DENSE, CONVOLUTIONAL = "pixels-dense", "convolutional"
"""Names of the two contenders."""

FOLDS = 5
"""One fold of five judges, as in the race."""

PIXEL_VALUES = 784
"""Values of a picture up to which a dense network sees every pixel; larger pictures are averaged for the shuffle, so
that there is nothing between the pixels that a permutation could break."""

CURVE_SIZES = 5
FEWEST_PER_CLASS = 4
"""Most sizes of a learning curve beside the whole, each half of the one before, and how small they get (assumed)."""

PER_CLASS = (10, 50, 200)
"""Pictures a class of the new classes, for transfer."""

TRAININGS = (3, 2)
"""Trainings of the whole and of the shuffled pictures that differ by their seed, most and fewest. One could not be told
from chance: two trainings of a dense network on the same 1,437 digits differed by 1.4 points (measured)."""

MOST_EPOCHS = 20
"""Passes of the convolutional network, where small data sets need no more to make their steps (assumed: what further
passes add is small beside what is measured here)."""

FEWEST_ROWS = 1_000
"""A study takes no fewer pictures than this where there are as many (assumed): on fewer, no training gets shorter."""

ROOM_SHARE = 0.85
"""Part of the budget that trainings are planned for; predicting, disturbing and writing take the rest (assumed)."""


class StudyPlan(msgspec.Struct, frozen=True):
    """Everything that decides the fits.

    Attributes
    ----------
    data : digest of inputs and targets
    budget_seconds, seed : as asked
    n_rows, n_used : pictures there are, and taken
    training_seconds : limit of one training on all pictures taken, the same for both networks
    trainings : how often the whole and the shuffled pictures are learnt, with different seeds
    curve_sizes : training pictures of the learning curves, ascending, without the whole
    per_class : pictures a class for transfer; empty where it is not measured, then ``no_transfer`` says why
    configurations : contender → what the race chose, where it took part
    side : pictures are averaged over squares of that side before they are shuffled; 1: as they are
    """

    data: str
    budget_seconds: float
    seed: int
    n_rows: int
    n_used: int
    training_seconds: float
    trainings: int
    curve_sizes: tuple[int, ...]
    per_class: tuple[int, ...]
    no_transfer: str
    configurations: dict[str, dict[str, Any]]
    side: int

    @property
    def n_train(self) -> int:
        """Pictures of the part that is learnt from."""
        return self.n_used - math.ceil(self.n_used / FOLDS)


def plan_study(
    dataset: Dataset[Images],
    contenders: Mapping[str, Contender],
    configurations: Mapping[str, Mapping[str, Any]],
    budget_seconds: float,
    seed: int,
    digest: str,
) -> StudyPlan:
    """The most careful study that fits: fewer trainings first, then fewer pictures."""
    form = dataset.inputs.form
    plan = StudyPlan(
        data=digest,
        budget_seconds=budget_seconds,
        seed=seed,
        n_rows=dataset.n_rows,
        n_used=dataset.n_rows,
        training_seconds=0.0,
        trainings=min(TRAININGS),
        curve_sizes=(),
        per_class=(),
        no_transfer="",
        configurations={name: dict(chosen) for name, chosen in configurations.items()},
        side=squares_for(form.height, form.width, form.channels, PIXEL_VALUES),
    )
    while True:
        plan = _with_sizes(plan, dataset)
        for trainings in TRAININGS:
            plan = msgspec.structs.replace(plan, trainings=trainings)
            plan = msgspec.structs.replace(plan, training_seconds=_longest_training(plan, dataset, contenders))
            if all(is_careful(plan, dataset, contender) for contender in contenders.values()):
                return plan
        if plan.n_used <= FEWEST_ROWS:
            return plan
        plan = msgspec.structs.replace(plan, n_used=max(FEWEST_ROWS, int(plan.n_used / math.sqrt(2))))


def _with_sizes(plan: StudyPlan, dataset: Dataset[Images]) -> StudyPlan:
    per_class, why_not = transfer_sizes(dataset, plan.n_used)
    sizes = curve_sizes(dataset, plan.n_train)
    return msgspec.structs.replace(plan, curve_sizes=sizes, per_class=per_class, no_transfer=why_not)


def _longest_training(plan: StudyPlan, dataset: Dataset[Images], contenders: Mapping[str, Contender]) -> float:
    """Seconds of a whole training with which all fits together take `ROOM_SHARE` of the budget."""
    room = ROOM_SHARE * plan.budget_seconds
    tried = np.geomspace(room / 4, room / 400, 40)
    for seconds in tried:
        there = msgspec.structs.replace(plan, training_seconds=round(float(seconds), 3))
        if sum(_seconds(there, dataset, contender) for contender in contenders.values()) <= room:
            break
    return there.training_seconds


def _seconds(plan: StudyPlan, dataset: Dataset[Images], contender: Contender) -> float:
    """All fits of one network; transfer learns from half of the pictures, and from a few of each new class."""
    few = [n * max(1, dataset.task.n_outputs // 2) for n in plan.per_class]
    parts = [*plan.curve_sizes, *([plan.n_train // 2, *few] if few else [])]
    whole = 2 * plan.trainings + (1 if plan.side > 1 else 0)  # averaged pictures are an original of their own
    sizes = [*[plan.n_train] * whole, *parts]
    return sum(seconds_of_fit(plan, dataset, contender, size) for size in sizes)


def seconds_of_fit(plan: StudyPlan, dataset: Dataset[Images], contender: Contender, n_rows: int) -> float:
    """What one fit is planned to take: by its passes for the convolutional network, at most its share for the dense
    one."""
    from annvil.models import convolutional

    if contender.name == CONVOLUTIONAL:
        configuration = effort_for(plan, dataset, contender, n_rows).configuration or {}
        size = next((size for size in convolutional.SIZES if size.name == configuration.get("size")), None)
        if size is not None:
            one = convolutional.affordable_epochs(shape_of(dataset, n_rows), size, 1.0)
            return float(configuration["epochs"]) / one
    return plan.training_seconds * share_of(n_rows, plan.n_train)


def share_of(n: int, n_train: int) -> float:
    """Part of a whole training's time that one on ``n`` pictures gets: the square root, for few pictures are passed
    over more often (assumed)."""
    return math.sqrt(min(1.0, n / max(n_train, 1)))


def is_careful(plan: StudyPlan, dataset: Dataset[Images], contender: Contender) -> bool:
    """Whether a whole training is long enough to show what the network can do."""
    from annvil.models.convolutional import WANTED_EPOCHS

    effort = effort_for(plan, dataset, contender, plan.n_train)
    if contender.name == CONVOLUTIONAL:
        return int((effort.configuration or {}).get("epochs", 0)) >= WANTED_EPOCHS
    return effort.scale > SHORTEST_SCALE


def effort_for(
    plan: StudyPlan,
    dataset: Dataset[Images],
    contender: Contender,
    n_rows: int,
    configuration: Mapping[str, Any] | None = None,
) -> Effort:
    """The effort of one fit on ``n_rows`` pictures: the configuration given or the race's, as long as its time allows.

    Without a configuration the contender searches as it plans to. The dense network's training has the same scale for
    every number of pictures; the convolutional network's passes are counted for each.
    """
    chosen = plan.configurations.get(contender.name) if configuration is None else configuration
    if contender.name == CONVOLUTIONAL:
        shape = shape_of(dataset, n_rows)
        seconds = plan.training_seconds * share_of(n_rows, plan.n_train)
        planned = dict(contender.plan(shape, 1, 1, seconds).configuration or {})
        return Effort(configuration=_epochs_that_fit(planned, chosen, shape, seconds))
    # What a contender sets aside for loading has been spent by then (`Study._warm_up`).
    effort = contender.plan(shape_of(dataset, plan.n_train), 1, 1, plan.training_seconds + SETUP_SECONDS)
    scale = max(effort.scale, SHORTEST_SCALE)
    return replace(effort, scale=scale) if chosen is None else Effort(scale=scale, configuration=chosen)


def _epochs_that_fit(
    planned: dict[str, Any], configuration: Mapping[str, Any] | None, shape: Shape, seconds: float
) -> dict[str, Any]:
    """The network of the configuration, or else the planned one, with the passes that fit."""
    from annvil.models import convolutional

    chosen = {**planned, **(configuration or {})}
    size = next((size for size in convolutional.SIZES if size.name == chosen.get("size")), None)
    if size is None:
        return planned
    batch = convolutional.batch_size(shape.n_rows)
    most = max(MOST_EPOCHS, math.ceil(convolutional.FEWEST_STEPS * batch / max(shape.n_rows, 1)))
    epochs = int(np.clip(convolutional.affordable_epochs(shape, size, seconds), convolutional.EPOCHS[0], most))
    return {**chosen, "epochs": epochs}


def curve_sizes(dataset: Dataset[Images], n_train: int) -> tuple[int, ...]:
    """Halves of the training pictures, of those again, … as long as there are four a class (forty for numbers)."""
    fewest = FEWEST_PER_CLASS * dataset.task.n_outputs if dataset.task.is_classification else 10 * FEWEST_PER_CLASS
    sizes = [n_train // 2**k for k in range(1, CURVE_SIZES + 1)]
    return tuple(sorted(size for size in sizes if size >= fewest))


def transfer_sizes(dataset: Dataset[Images], n_used: int) -> tuple[tuple[int, ...], str]:
    """Pictures a class for transfer, or why there is none: the fewest pictures of a new class decide."""
    task = dataset.task
    if task.kind not in ("binary", "multiclass"):
        return (), "Transfer is measured between classes, and these pictures do not have one class each."
    if len(task.classes) < 4:
        return (), f"Transfer needs two classes to start from and two new ones; there are {len(task.classes)} classes."
    counts = np.bincount(dataset.y, minlength=len(task.classes))
    scarcest = int(counts.min() * n_used / dataset.n_rows * (FOLDS - 1) / FOLDS)
    sizes = tuple(n for n in PER_CLASS if n <= scarcest)
    if not sizes:
        return (), f"Transfer needs {PER_CLASS[0]} training pictures of every class; of one there are {scarcest}."
    return sizes, ""
