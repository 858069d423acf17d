"""Networks on sound as contenders: residual convolutions over time, and a gated recurrence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.contenders.member import N_BANDS
from annvil.kinds.sound.contenders.sound_family import (
    BATCH_SIZES,
    LARGEST_BATCH,
    SoundFamily,
    SoundSettings,
    epochs_for,
)
from annvil.kinds.sound.form import SoundForm
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, ladder_of, row_steps
from annvil.models.members import Fitted
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.recipe import batch_size
from annvil.models.networks.search import TrainedCandidate, search
from annvil.networks.sound import KERNEL, PATCH, Body
from annvil.preparation import is_imbalanced

SHORT, LONG = 0.4, 3.0
"""Lengths of the first rung and of the last (assumed)."""

OVERHEAD_SECONDS = 0.5
"""Recording, preparing and judging, for each network (assumed)."""

PRODUCTS = 2.5e10
"""Multiplications and additions in a second, there and back (measured of networks for series)."""

AUGMENTING_SECONDS = 1.2e-7
"""For each energy of a clip that is changed (assumed)."""

HOP_SECONDS = 0.010

MOST_BYTES = 2 << 30
"""Of the energies of all clips, each as long as the longest (assumed)."""


class SoundNetworks(BaseContender):
    """The candidate that the inner splits prefer, its networks averaged. Inner splits keep speakers apart where they
    are known: how strongly clips are changed is chosen by speakers who are new."""

    family: Family = "network"
    traits = Traits(trains_together=True, bags=True, weights_classes=True, central=True)

    def __init__(self, body: Body, name: str, title: str) -> None:
        self.body, self.name, self.title = body, name, title

    def declines(self, shape: Shape) -> str | None:
        """Clips that are too long or too many to be held as energies."""
        n_bytes = 4 * shape.n_rows * N_BANDS * _frames(shape)
        if n_bytes > MOST_BYTES:
            return f"Energies of all clips, as long as the longest, would take {n_bytes / 2**30:,.1f} GB of memory."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One short training; one in each fold; these in full length; other strengths and widths; longer."""
        most = len(self.portfolio())

        def rung(candidates: int, inner: int, scale: float, rows: int | None = None) -> Rung:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            n_train = max(1, int(n_rows * (1 - 1 / inner if inner > 1 else 0.8)))
            passed = n_train * epochs_for(n_train, scale)
            batch = batch_size(n_train, BATCH_SIZES, LARGEST_BATCH)
            seconds = sum(
                OVERHEAD_SECONDS + passed * self._core_seconds(shape, one, batch)
                for one in self.portfolio()[:candidates]
            )
            effort = Effort(candidates, scale, inner_folds=inner, rows=rows)
            return Rung(effort, inner * seconds, describe_effort(effort))

        parts = [rung(1, 1, SHORT, rows) for rows in row_steps(shape.n_rows)]
        whole = [rung(1, 1, SHORT), rung(1, 5, SHORT), rung(1, 5, 1.0)]
        return ladder_of([*parts, *whole, rung(2, 5, 1.0), rung(most, 5, 1.0), rung(most, 5, LONG)])

    def portfolio(self) -> Sequence[SoundSettings]:
        """Candidates, the most promising first."""
        width = 48 if self.body == "residual" else 64
        first = SoundSettings(body=self.body, width=width)
        options = [first, replace(first, strength="light"), replace(first, width=2 * width)]
        options += [replace(first, n_cepstra=0), replace(first, strength="none")]
        return [replace(one, number=number) for number, one in enumerate(options)]

    def fit(self, dataset: Dataset[Clips], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Train every candidate on every inner split; choose for every job."""
        family = SoundFamily(self.body, dataset.inputs.form.rate)

        def candidates_of(job: Job, running: Running) -> Sequence[SoundSettings]:
            return self._candidates(dataset, job, effort)

        for searched in search(dataset, jobs, family, candidates_of, effort, context):
            yield best_fitted(self.name, dataset, family, searched, summary_of)

    def _candidates(self, dataset: Dataset[Clips], job: Job, effort: Effort) -> Sequence[SoundSettings]:
        if effort.configuration is not None:
            return [SoundSettings(**effort.configuration)]
        chosen = list(self.portfolio()[: effort.candidates])
        if effort.options.imbalance == "auto" and is_imbalanced(dataset.y[job.rows], dataset.task) and len(chosen) > 2:
            chosen[2] = replace(chosen[2], class_weighted=True)
        return chosen

    def _core_seconds(self, shape: Shape, settings: SoundSettings, batch: int) -> float:
        """Processor time for one clip in one epoch of one network."""
        width, inputs = settings.width, 2 * (settings.n_cepstra or N_BANDS)
        frames = _usual_frames(shape)
        products: float
        if settings.body == "residual":
            widths = [width, width, width * 4 // 3, 2 * width]
            products = 3.0 * inputs * width + sum(
                (KERNEL * (a + b) * b + a * b) / 2 ** (block + 1) for block, (a, b) in enumerate(pairwise(widths))
            )
        else:
            products = 2 * (6 * width * width + 6e4) / PATCH
        changed = AUGMENTING_SECONDS * N_BANDS if settings.strength != "none" else 0.0
        return float(frames * (6 * products / PRODUCTS + changed) + 2e-3 / batch)


def _frames(shape: Shape) -> int:
    """Of the longest clip."""
    form = shape.form
    assert isinstance(form, SoundForm)
    return max(1, math.ceil(form.seconds(form.longest) / HOP_SECONDS))


def _usual_frames(shape: Shape) -> int:
    """Of the clips that networks learn from, which are cut: by factors in the middle of the shortest and the longest
    (assumed; of the digits 57, where training has 61 and the longest clip 226)."""
    form = shape.form
    assert isinstance(form, SoundForm)
    return max(1, math.ceil(form.seconds(math.sqrt(form.shortest * form.longest)) / HOP_SECONDS))


def summary_of(best: TrainedCandidate[SoundSettings]) -> str:
    """For people: ``"residual convolutions of width 48 …, 5 networks averaged, 30 epochs"``."""
    several = f"{len(best.networks)} networks averaged, " if len(best.networks) > 1 else ""
    epoch = round(float(np.mean([one.best_epoch for one in best.trained])))
    return f"{best.settings.describe()}, {several}epoch {epoch} of {best.trained[0].epochs}"
