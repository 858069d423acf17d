"""Convolutional networks for pictures: one network a job, as large and as long as the budget allows.

A job's network learns from all of its rows but a small holdout, which calibrates it. The inner folds are not all used:
a fifth network costs as much as the first, and pictures are worth more in training than in choosing (assumed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.pictures.contenders.convolutional_family import CONVOLUTIONAL, ConvolutionalSettings, settings_of
from annvil.kinds.pictures.contenders.invariance import WORK, Affinities, measure_affinities, policies
from annvil.kinds.pictures.contenders.picture_family import held_out
from annvil.kinds.pictures.contenders.sizes import (
    EPOCHS,
    LOOKING_SHARE,
    MOST_CANDIDATES,
    SIZES,
    WANTED_EPOCHS,
    affordable_epochs,
    architecture_for,
    epochs_for_steps,
    size_and_epochs,
    work_of,
)
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images
from annvil.models.contract import BaseContender, Context, Effort, Family, Fitted, Job, Json, Running, Shape, Traits
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.search import search
from annvil.preparation.augmentation import Augmentation


class Convolutional(BaseContender):
    """The contender."""

    name = "convolutional"
    title = "Convolutional network"
    family: Family = "network"
    traits = Traits(plans_final=True)

    def declines(self, shape: Shape) -> str | None:
        """Only pictures of a few pixels, which have no maps to speak of."""
        if not isinstance(shape.form, PictureForm) or min(shape.form.height, shape.form.width) < 4:
            return "The pictures are smaller than 4 × 4 pixels."
        return None

    def plan(self, shape: Shape, n_jobs: int, n_inner: int, seconds: float) -> Effort:
        """The largest network that gets `WANTED_EPOCHS` passes in its share of the time, and the passes that fit.

        Where more time is left than `EPOCHS` take, augmentations are tried, each in a whole training.
        """
        each = seconds / max(n_jobs, 1)
        size, epochs = size_and_epochs(shape, each)
        tried = int(affordable_epochs(shape, size, each) / epochs)
        return Effort(
            candidates=int(np.clip(tried, 1, MOST_CANDIDATES)),
            scale=float(np.clip(affordable_epochs(shape, SIZES[0], each) / WANTED_EPOCHS, 0.01, 1.0)),
            configuration={"size": size.name, "epochs": epochs},
        )

    def plan_final(self, shape: Shape, seconds: float, configurations: Sequence[Mapping[str, Json]]) -> Effort:
        """The model to ship: sized anew for all rows and all the time kept for it, augmented as most folds chose.

        Longer training of more pictures only makes a network of this kind better (measured on clothes: 4 to 37 passes),
        so what the folds scored stays a careful estimate.
        """
        size, epochs = size_and_epochs(shape, seconds)
        configuration: dict[str, Json] = {"size": size.name, "epochs": epochs}
        chosen = [one["augmentation"] for one in configurations if "augmentation" in one]
        if chosen:
            configuration["augmentation"] = max(chosen, key=chosen.count)
        return Effort(configuration=configuration)

    def fit(self, dataset: Dataset[Images], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """One network a job, one after another; the deadline cuts a training short, and none is begun after it."""
        measured: dict[str, str] = {}

        def candidates_of(job: Job, running: Running) -> Sequence[ConvolutionalSettings]:
            candidates, affinities = _candidates(dataset, job, effort, running)
            if affinities is not None:
                measured[job.key] = affinities.describe()
            return candidates

        judged = [replace(job, inner=(held_out(dataset, job),)) for job in jobs]
        found = search(dataset, judged, CONVOLUTIONAL, candidates_of, effort, context)
        for job, searched in zip(jobs, found, strict=False):
            fitted = best_fitted(self.name, dataset, CONVOLUTIONAL, searched)
            notes = (measured[job.key],) if job.key in measured else ()
            yield replace(fitted, job=job, notes=(*notes, *fitted.notes))


def _candidates(
    dataset: Dataset[Images], job: Job, effort: Effort, running: Running
) -> tuple[list[ConvolutionalSettings], Affinities | None]:
    """The augmentation that is given; or the first of those that the pictures allow, as many as there is time for.

    What was chosen for more rows gets so many epochs that there are steps enough.
    """
    (split,), form, task = job.inner, dataset.inputs.form, dataset.task
    asked: dict[str, Json] = {"size": SIZES[1].name, "epochs": EPOCHS[0]} | dict(effort.configuration or {})
    if "augmentation" in asked:
        asked["epochs"] = max(int(asked["epochs"]), epochs_for_steps(len(split.train)))
        return [settings_of(asked, form, task, Augmentation.from_json(asked["augmentation"]))], None
    plain = settings_of(asked, form, task, Augmentation())
    work = min(WORK, LOOKING_SHARE * plain.epochs * len(split.train) * work_of(plain.architecture))
    small = architecture_for(form, task.n_outputs, SIZES[0])
    found = measure_affinities(dataset, split, small, job.seed, running, work)
    tried = policies(found, min(form.height, form.width), mixes=task.one_class_a_row)[: effort.candidates]
    return [settings_of(asked, form, task, augmentation, number) for number, augmentation in enumerate(tried)], found
