"""What a study measures, decided before anything is trained: arithmetic from sizes and budget, as the race's plan."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import product
from typing import Any

import msgspec
import numpy as np

from annvil.comparison.data_problem import DataProblem
from annvil.data.dataset import Dataset
from annvil.kinds.pictures.contenders.sizes import (
    EPOCHS,
    SIZES,
    WANTED_EPOCHS,
    affordable_epochs,
    epochs_for_steps,
    seconds_for,
    size_and_epochs,
    size_named,
)
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.studies.perturbation import squares_for
from annvil.models.contract import Contender
from annvil.models.jobs import Effort, Rung, Shape
from annvil.models.ladder import rung_within
from annvil.models.networks.recipe import SETUP_SECONDS
from annvil.preparation.augmentation import Augmentation

DENSE, CONVOLUTIONAL = "pixels-dense", "convolutional"
"""Names of the two contenders."""

FOLDS = 5
"""One fold of five judges, as in the race."""

PIXEL_VALUES = 784
"""Values of a picture up to which a dense network sees every pixel; larger pictures are averaged for the shuffle, so
that there is nothing between the pixels that a permutation could break."""

FEWEST_PER_CLASS = 4
"""How small learning curves begin (assumed); each size is half of the next."""

PER_CLASS = (10, 50, 200)
"""Pictures a class of the new classes, for transfer."""

THOROUGH = ((3, 5, 3), (2, 5, 3), (2, 3, 2))
"""From most to least: trainings of the whole and of the shuffled pictures that differ by their seed, sizes of a
learning curve beside the whole, numbers of pictures a class for transfer. One training could not be told from chance:
two of a dense network on the same 1,437 digits differed by 1.4 points (measured)."""

SMALLER = ("medium", "small")
"""Convolutional networks that are studied where the race's takes too long."""

MOST_EPOCHS = 20
"""Passes of the convolutional network, where small data sets need no more to make their steps (assumed: what further
passes add is small beside what is measured here)."""

FEWEST_ROWS = 1_000
"""A study takes no fewer pictures than this where there are as many (assumed): on fewer, no training gets shorter."""

SHORTEST_SHARE, HURRIED_SHARE = 400, 30
"""A whole training gets no less than the first part of the time for all, and the second where nothing fits: then what
is left out is said (assumed)."""

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
    configurations: dict[str, dict[str, Any]]
    side: int
    training_seconds: float = 0.0
    trainings: int = 0
    curve_sizes: tuple[int, ...] = ()
    per_class: tuple[int, ...] = ()
    no_transfer: str = ""

    @property
    def n_train(self) -> int:
        """Pictures of the part that is learnt from."""
        return self.n_used - math.ceil(self.n_used / FOLDS)

    def seconds_for(self, n_rows: int) -> float:
        """Limit of a training on so many pictures: the square root of their share, for few are passed over more often
        (assumed)."""
        return self.training_seconds * math.sqrt(min(1.0, n_rows / max(self.n_train, 1)))


def plan_study(
    dataset: Dataset[Images],
    contenders: Mapping[str, Contender],
    configurations: Mapping[str, Mapping[str, Any]],
    budget_seconds: float,
    seed: int,
    digest: str,
) -> StudyPlan:
    """The most careful study that fits: less thorough first, then with a smaller network, then with fewer pictures."""
    form = dataset.inputs.form
    plan = StudyPlan(
        data=digest,
        budget_seconds=budget_seconds,
        seed=seed,
        n_rows=dataset.n_rows,
        n_used=dataset.n_rows,
        configurations={name: dict(chosen) for name, chosen in configurations.items()},
        side=squares_for(form.height, form.width, form.channels, PIXEL_VALUES),
    )
    smaller = ({**plan.configurations, CONVOLUTIONAL: {"size": size}} for size in SMALLER)
    plans = [plan, *(msgspec.structs.replace(plan, configurations=chosen) for chosen in smaller)]
    while True:
        for tried, thorough in product(plans, THOROUGH):
            found = _that_fits(_with_sizes(tried, dataset, thorough), dataset, contenders)
            if found is not None:
                return found
        if plans[0].n_used <= FEWEST_ROWS:
            few = _with_sizes(plans[-1], dataset, THOROUGH[-1])
            return msgspec.structs.replace(few, training_seconds=round(ROOM_SHARE * budget_seconds / HURRIED_SHARE, 3))
        n_used = max(FEWEST_ROWS, int(plans[0].n_used / math.sqrt(2)))
        plans = [msgspec.structs.replace(tried, n_used=n_used) for tried in plans]


def _that_fits(plan: StudyPlan, dataset: Dataset[Images], contenders: Mapping[str, Contender]) -> StudyPlan | None:
    """The plan with the longest trainings with which all fits together take `ROOM_SHARE` of the budget; None where
    there are none, or they would be too short for either network."""
    room = ROOM_SHARE * plan.budget_seconds
    for seconds in np.geomspace(room / 4, room / SHORTEST_SHARE, 24):
        there = msgspec.structs.replace(plan, training_seconds=round(float(seconds), 3))
        if sum(_seconds(there, dataset, contender) for contender in contenders.values()) <= room:
            careful = all(is_careful(there, dataset, contender) for contender in contenders.values())
            return there if careful else None
    return None


def _with_sizes(plan: StudyPlan, dataset: Dataset[Images], thorough: tuple[int, int, int]) -> StudyPlan:
    trainings, most_sizes, most_per_class = thorough
    per_class, why_not = transfer_sizes(dataset, plan.n_used)
    return msgspec.structs.replace(
        plan,
        trainings=trainings,
        curve_sizes=curve_sizes(dataset, plan.n_train, most_sizes),
        per_class=per_class[:most_per_class],
        no_transfer=why_not,
    )


def _seconds(plan: StudyPlan, dataset: Dataset[Images], contender: Contender) -> float:
    """All fits of one network; transfer learns from half of the pictures, and from a few of each new class."""
    few = [n * max(1, dataset.task.n_outputs // 2) for n in plan.per_class]
    whole = 2 * plan.trainings + (plan.side > 1)  # averaged pictures are an original of their own
    sizes = Counter([*plan.curve_sizes, *([plan.n_train // 2, *few] if few else [])])
    sizes[plan.n_train] += whole
    return sum(times * seconds_of_fit(plan, dataset, contender, size) for size, times in sizes.items())


def seconds_of_fit(plan: StudyPlan, dataset: Dataset[Images], contender: Contender, n_rows: int) -> float:
    """What one fit is planned to take: by its passes for the convolutional network, at most its share for the dense
    one."""
    if contender.name == CONVOLUTIONAL:
        configuration = effort_for(plan, dataset, contender, n_rows).configuration or {}
        size = next((size for size in SIZES if size.name == configuration.get("size")), None)
        if size is not None:
            return seconds_for(DataProblem(dataset).shape(n_rows), size, float(configuration["epochs"]))
    return plan.seconds_for(n_rows)


def is_careful(plan: StudyPlan, dataset: Dataset[Images], contender: Contender) -> bool:
    """Whether a whole training is long enough to show what the network can do."""
    if contender.name == CONVOLUTIONAL:
        effort = effort_for(plan, dataset, contender, plan.n_train)
        return int((effort.configuration or {}).get("epochs", 0)) >= WANTED_EPOCHS
    cheapest = _whole_ladder(dataset, contender, plan.n_train)[0]
    return cheapest.core_seconds <= plan.training_seconds + SETUP_SECONDS


def _whole_ladder(dataset: Dataset[Images], contender: Contender, n_rows: int) -> list[Rung]:
    """The rungs that learn from all of so many pictures: a study chooses its sizes itself."""
    ladder = contender.ladder(DataProblem(dataset).shape(n_rows))
    return [rung for rung in ladder if rung.effort.rows is None]


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
        shape = DataProblem(dataset).shape(n_rows)
        seconds = plan.seconds_for(n_rows)
        size, epochs = size_and_epochs(shape, seconds)
        planned = {"size": size.name, "epochs": epochs}
        return Effort(configuration=_epochs_that_fit(planned, chosen, shape, seconds))
    # What a contender sets aside for loading has been spent by then (`Study._warm_up`).
    ladder = _whole_ladder(dataset, contender, plan.n_train)
    effort = rung_within(ladder, plan.training_seconds + SETUP_SECONDS).effort
    return effort if chosen is None else Effort(scale=effort.scale, configuration=chosen)


def _epochs_that_fit(
    planned: dict[str, Any], configuration: Mapping[str, Any] | None, shape: Shape, seconds: float
) -> dict[str, Any]:
    """The network of the configuration, or else the planned one, with the passes that fit and without augmentation.

    The contender itself takes no fewer passes than `FEWEST_STEPS` need.
    """
    chosen = {**planned, **(configuration or {}), "augmentation": Augmentation().to_json()}
    fewest = max(EPOCHS[0], epochs_for_steps(shape.n_rows))
    affordable = affordable_epochs(shape, size_named(chosen), seconds)
    return {**chosen, "epochs": int(np.clip(affordable, fewest, max(MOST_EPOCHS, fewest)))}


def curve_sizes(dataset: Dataset[Images], n_train: int, most: int) -> tuple[int, ...]:
    """Halves of the training pictures, of those again, … as long as there are four a class (forty for numbers)."""
    fewest = FEWEST_PER_CLASS * dataset.task.n_outputs if dataset.task.predicts_probabilities else 10 * FEWEST_PER_CLASS
    sizes = [n_train // 2**k for k in range(1, most + 1)]
    return tuple(sorted(size for size in sizes if size >= fewest))


def transfer_sizes(dataset: Dataset[Images], n_used: int) -> tuple[tuple[int, ...], str]:
    """Pictures a class for transfer, or why there is none: the fewest pictures of a new class decide."""
    task = dataset.task
    if not task.one_class_a_row:
        return (), "Transfer is measured between classes, and these pictures do not have one class each."
    if len(task.classes) < 4:
        return (), f"Transfer needs two classes to start from and two new ones; there are {len(task.classes)} classes."
    counts = np.bincount(dataset.y, minlength=len(task.classes))
    scarcest = int(counts.min() * n_used / dataset.n_rows * (FOLDS - 1) / FOLDS)
    sizes = tuple(n for n in PER_CLASS if n <= scarcest)
    if not sizes:
        return (), f"Transfer needs {PER_CLASS[0]} training pictures of every class; of one there are {scarcest}."
    return sizes, ""
