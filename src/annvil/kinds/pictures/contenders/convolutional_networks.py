"""Convolutional networks for pictures: one network a job, as large and as long as the budget allows.

A job's network learns from all of its rows but a small holdout, which calibrates it. The inner folds are not all used:
a fifth network costs as much as the first, and pictures are worth more in training than in choosing (assumed).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from annvil.data.dataset import Dataset
from annvil.kinds.pictures.contenders.convolutional_family import CONVOLUTIONAL, ConvolutionalSettings, settings_of
from annvil.kinds.pictures.contenders.invariance import WORK, Affinities, measure_affinities, policies
from annvil.kinds.pictures.contenders.picture_family import held_out, held_out_of
from annvil.kinds.pictures.contenders.sizes import (
    EPOCHS,
    LOOKING_SHARE,
    SIZES,
    WANTED_EPOCHS,
    Size,
    architecture_for,
    epochs_for_steps,
    first_shrink,
    seconds_for,
    work_of,
)
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Json, Rung, Running, Shape
from annvil.models.ladder import ladder_of, row_steps
from annvil.models.members import Fitted
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.search import search
from annvil.preparation.augmentation import Augmentation

FIRST_PICTURES = 10_000
"""Pictures of the first rung where there are many: a rung of 40,000 took two minutes on two cores, and nobody else had
a turn (measured). Fewer would be passed over more often for the same steps: 4,500 cost three quarters as much, and were
a point behind (on clothes; measured)."""


class Convolutional(BaseContender):
    """The contender."""

    name = "convolutional"
    title = "Convolutional network"
    family: Family = "network"
    traits = Traits(climbs_to_ship=True, central=True, in_bfloat16=True)

    def declines(self, shape: Shape) -> str | None:
        """Only pictures of a few pixels, which have no maps to speak of."""
        if not isinstance(shape.form, PictureForm) or min(shape.form.height, shape.form.width) < 4:
            return "The pictures are smaller than 4 × 4 pixels."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """A part of the pictures first, then all of them, more passes, more pixels, larger networks; the top tries
        augmentations as well.

        The first rung has `WANTED_EPOCHS` passes and `FEWEST_STEPS` steps: with fewer a network of this kind knows
        nothing yet (28 steps on 1,100 photographs gave 27% where 300 give 99%; measured). Where so many passes are
        steps enough, a larger network comes before more of them (`Size.wanted`).
        """
        assert isinstance(shape.form, PictureForm)

        def learns(rows: int | None) -> Shape:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            return replace(shape, n_rows=max(1, n_rows - held_out_of(n_rows)))

        def fewest(rows: int | None = None) -> int:
            return max(WANTED_EPOCHS, epochs_for_steps(learns(rows).n_rows))

        def rung(size: Size, epochs: int, shrink: int, candidates: int = 1, rows: int | None = None) -> Rung:
            passes = max(epochs, fewest(rows))
            configuration = {"size": size.name, "epochs": passes, "shrink": shrink}
            effort = Effort(candidates, configuration=configuration, rows=rows)
            what = f"{size.name}, {passes} passes" + (f", pictures at 1/{shrink}" if shrink > 1 else "")
            what += f", {candidates} augmentations" if candidates > 1 else ""
            what += f", a sample of {rows:,}" if rows else ""
            return Rung(effort, candidates * seconds_for(learns(rows), size, passes, shrink), what)

        small, medium, deep, wide = SIZES
        first, few = first_shrink(shape.form), fewest()
        more = max(1, first // 2)
        parts = [rung(small, fewest(rows), first, rows=rows) for rows in row_steps(shape.n_rows, FIRST_PICTURES)]
        if few == WANTED_EPOCHS:
            middle = [rung(deep, few, first), rung(deep, few, more), rung(deep, 2 * few, more)]
        else:
            middle = [rung(medium, 2 * few, first), rung(medium, 2 * few, more)]
        return ladder_of(
            [
                *parts,
                rung(small, few, first),
                rung(small, 2 * few, first),
                *middle,
                rung(deep, 15, more),
                rung(deep, 30, 1),
                rung(deep, 30, 1, 2),
                rung(wide, 40, 1, 2),
            ]
        )

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
    asked["epochs"] = max(1, round(effort.scale * asked["epochs"]))
    if "augmentation" in asked:
        asked["epochs"] = max(int(asked["epochs"]), epochs_for_steps(len(split.train)))
        return [settings_of(asked, form, task, Augmentation.from_json(asked["augmentation"]))], None
    plain = settings_of(asked, form, task, Augmentation())
    work = min(WORK, LOOKING_SHARE * plain.epochs * len(split.train) * work_of(plain.architecture))
    small = architecture_for(form, task.n_outputs, SIZES[0], asked.get("shrink", 1))
    found = measure_affinities(dataset, split, small, job.seed, running, work)
    tried = policies(found, min(form.height, form.width), mixes=task.one_class_a_row)[: effort.candidates]
    return [settings_of(asked, form, task, augmentation, number) for number, augmentation in enumerate(tried)], found
