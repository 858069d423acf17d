"""Convolutional networks for pictures: one network a job, as large and as long as the budget allows.

A job's network learns from all of its rows but a small holdout, which calibrates it. The inner folds are not all used:
a fifth network costs as much as the first, and pictures are worth more in training than in choosing (assumed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.pictures.contenders.invariance import WORK, Affinities, measure_affinities, policies
from annvil.kinds.pictures.contenders.member import PictureMember, PixelSteps
from annvil.kinds.pictures.contenders.sizes import (
    EPOCHS,
    LOOKING_SHARE,
    MOST_CANDIDATES,
    SIZES,
    WANTED_EPOCHS,
    affordable_epochs,
    architecture_for,
    epochs_for_steps,
    recipe_for,
    size_and_epochs,
    size_named,
    work_of,
)
from annvil.kinds.pictures.contenders.training import Trained, held_out, train_on_pictures
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images
from annvil.models.contract import (
    BaseContender,
    Context,
    Effort,
    Family,
    Fitted,
    Job,
    Json,
    Running,
    Shape,
    Split,
    Traits,
)
from annvil.models.measurement import Stopwatch
from annvil.models.selection import Candidate, Trial, best_of, judge
from annvil.preparation.augmentation import Augmentation

if TYPE_CHECKING:
    from annvil.networks.convolutional import ConvolutionalArchitecture


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
        chosen = [repr(configuration.get("augmentation")) for configuration in configurations]
        most = max(range(len(chosen)), key=lambda place: chosen.count(chosen[place]), default=None)
        configuration = {"size": size.name, "epochs": epochs}
        if most is not None and "augmentation" in configurations[most]:
            configuration["augmentation"] = configurations[most]["augmentation"]
        return Effort(configuration=configuration)

    def fit(self, dataset: Dataset[Images], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """One network a job, one after another; the deadline cuts a training short, and none is begun after it."""
        running = context.begin()
        for job in jobs:
            if running.is_over():
                return
            yield _Fit(dataset, job, effort, running).fitted(self.name)


@dataclass(frozen=True)
class _Fit:
    """One job: which augmentations to try, their networks, and the best of these."""

    dataset: Dataset[Images]
    job: Job
    effort: Effort
    running: Running

    def fitted(self, contender: str) -> Fitted:
        """The network of the job, calibrated on its holdout."""
        watch, split = Stopwatch(), held_out(self.dataset, self.job)
        configuration = self._configuration(split)
        augmentations, measured = self._augmentations(split, configuration)
        judged = replace(self.job, inner=(split,))
        trials: list[Trial] = []
        members, histories = [], []
        for augmentation in augmentations:
            if trials and self.running.deadline.passed:
                break
            own = {**configuration, "augmentation": augmentation.to_json()}
            trained = self._train(split, own, augmentation)
            member = self._member(trained, augmentation)
            predicted = member.predict(self.dataset.inputs.take(split.test))
            trials.append(judge(self.dataset, judged, [predicted], Candidate(own, self._words(own, augmentation))))
            members.append(member)
            histories.append(trained.history)
        best = best_of(trials)
        place = trials.index(best)
        return Fitted(
            contender=contender,
            job=self.job,
            task=self.dataset.task,
            members=(members[place],),
            calibration=best.calibration,
            out_of_fold=best.out_of_fold,
            configuration=dict(best.candidate.configuration),
            summary=best.candidate.words,
            tried=tuple(trial.to_json() for trial in trials),
            fit_seconds=watch.seconds,
            core_seconds=watch.core_seconds,
            history=histories[place],
            notes=() if measured is None else (measured.describe(),),
            cut_short=self.running.cut_short,
        )

    def _configuration(self, split: Split) -> dict[str, Json]:
        """Size and epochs as asked. What was chosen for more rows gets so many epochs that there are steps enough."""
        asked: dict[str, Json] = {"size": SIZES[1].name, "epochs": EPOCHS[0]} | dict(self.effort.configuration or {})
        if "augmentation" in asked:
            asked["epochs"] = max(int(asked["epochs"]), epochs_for_steps(len(split.train)))
        return asked

    def _augmentations(
        self, split: Split, configuration: dict[str, Json]
    ) -> tuple[list[Augmentation], Affinities | None]:
        """The one that is given; or the first of those that the pictures allow, as many as there is time for."""
        if "augmentation" in configuration:
            return [Augmentation.from_json(configuration["augmentation"])], None
        dataset, form = self.dataset, self.dataset.inputs.form
        whole = int(configuration["epochs"]) * len(split.train) * work_of(self._architecture(configuration))
        small = architecture_for(form, dataset.task.n_outputs, SIZES[0])
        work = min(WORK, LOOKING_SHARE * whole)
        recipe = recipe_for(min(len(split.train), 2_000), 1, dataset.task.is_classification)
        found = measure_affinities(dataset, split, small, recipe, self.job.seed, self.running, work)
        mixes = dataset.task.is_classification and not dataset.task.several
        tried = policies(found, min(form.height, form.width), mixes)
        return list(tried[: self.effort.candidates]), found

    def _architecture(self, configuration: Mapping[str, Json]) -> ConvolutionalArchitecture:
        return architecture_for(self.dataset.inputs.form, self.dataset.task.n_outputs, size_named(configuration))

    def _train(self, split: Split, configuration: Mapping[str, Json], augmentation: Augmentation) -> Trained:
        classifies = self.dataset.task.is_classification
        recipe = recipe_for(len(split.train), int(configuration["epochs"]), classifies)
        architecture = self._architecture(configuration)
        return train_on_pictures(self.dataset, split, architecture, recipe, self.job.seed, self.running, augmentation)

    def _member(self, trained: Trained, augmentation: Augmentation) -> PictureMember:
        mirrored = augmentation.flip != "none"
        means = "Predictions are the mean of those for the picture and for its mirror image."
        form = self.dataset.inputs.form.describe()
        first = (
            f"Pictures are brought to {form} pixels; the mean of each channel becomes 0, its standard deviation 1, as "
            "measured on training pictures."
        )
        sentences = (
            first,
            *(augmentation.describe() if not augmentation.does_nothing else ()),
            *((means,) if mirrored else ()),
        )
        return PictureMember(trained.network, self.dataset.task, PixelSteps(sentences), trained.target, mirrored)

    def _words(self, configuration: Mapping[str, Json], augmentation: Augmentation) -> str:
        layers = _layers_in_words(self._architecture(configuration))
        return f"{configuration['size']}: {layers}; {configuration['epochs']} epochs; {augmentation.short()}"


def _layers_in_words(architecture: ConvolutionalArchitecture) -> str:
    layers = "-".join(f"{layer.channels}{'P' if layer.pools else ''}" for layer in architecture.layers)
    return f"{architecture.stem_channels} + {layers} channels"
