"""Which augmentation serves these pictures: short trainings, judged on training pictures that they did not see.

Flipping a photograph left to right shows another photograph; flipping a digit shows no digit. Nobody but the data can
say which it is, so a few policies from cautious to strong (`annvil.preparation.augmentation.policies_for`) are tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from annvil.data.images.pictures import Images
from annvil.data.table import Dataset
from annvil.models.calibration import fit_calibration
from annvil.models.contract import Context, Split
from annvil.models.picture_member import PictureMember, PixelSteps
from annvil.models.picture_training import part_of, train_on_pictures
from annvil.models.selection import row_losses
from annvil.preparation.augmentation import Augmentation, policies_for
from annvil.task import IntArray

if TYPE_CHECKING:
    from annvil.networks.convolutional import ConvolutionalArchitecture
    from annvil.training import Recipe

COST_SHARE = 0.5
"""What choosing may cost at most, as a share of the pictures that the training to come will see (assumed)."""

FINALISTS = 3
"""Policies that get a second, twice as long training (assumed)."""

JUDGED_ON_SHARE, MOST_JUDGED_ON = 0.5, 2_000
"""Training pictures that the trainings of the choice do not see: they judge it (assumed)."""

EPOCHS = 20
"""Of a short training, where the training to come has as many. With a quarter of its epochs the gentlest policies look
best whatever comes out in the end; with few pictures and many epochs the order is that of the whole training (measured:
300 pictures of clothes for 20 epochs rank cutmix first, as 1,000 for 40 do; 350 for 7 rank it last)."""

FEWEST_PICTURES, SMALLEST_BATCH = 300, 32
"""Fewer pictures teach nothing that would carry over (assumed); where the share does not pay for so many, nothing is
tried."""


@dataclass(frozen=True)
class Length:
    """Of a short training: rows, epochs, rows of a batch."""

    rows: int
    epochs: int
    batch: int


def choose_augmentation(
    dataset: Dataset[Images],
    split: Split,
    architecture: ConvolutionalArchitecture,
    recipe: Recipe,
    seed: int,
    context: Context,
    share: float = COST_SHARE,
) -> tuple[Augmentation, list[tuple[Augmentation, float]]]:
    """The augmentation to train with, and what was tried with its selection loss (lower is better), best first.

    Every policy is tried in a short training on a part of the rows, and the best `FINALISTS` in one of twice the
    length; the best of these is taken, of equals the most cautious.

    Parameters
    ----------
    split : the rows of the training to come; nothing but ``split.train`` is looked at
    recipe : of the training to come; its cost bounds that of the choice
    context : its deadline ends the choice too; then the best so far is taken
    share : see `COST_SHARE`

    Nothing is tried, and shifts alone are returned, where ``share`` pays for no training that would say anything.
    """
    form = dataset.inputs.form
    policies = policies_for(form.height, form.width, form.channels, dataset.task)
    inner = _inner(dataset, split, seed)
    unit = share * recipe.epochs * len(split.train) / (len(policies) + 2 * FINALISTS)
    lengths = [_length(unit * times, inner.train, split.train, recipe) for times in (1, 2)]
    if lengths[0] is None or lengths[1] is None or not len(inner.test):
        return policies[1], []
    trial = _Trial(dataset, inner, architecture, recipe, seed, context)
    first = _scores(trial, policies, lengths[0])
    finalists = sorted(first, key=lambda policy: first[policy])[:FINALISTS]
    second = _scores(trial, [policy for policy in policies if policy in finalists], lengths[1])
    final = second if len(second) == len(finalists) else first  # cut short: what all had counts
    if not final:
        return policies[1], []
    ranked = sorted(first, key=lambda policy: (policy not in final, final.get(policy, first[policy])))
    return ranked[0], [(policy, final.get(policy, first[policy])) for policy in ranked]


def pays(n_rows: int, epochs: int, n_policies: int, share: float = COST_SHARE) -> bool:
    """Whether the share of so many rows and epochs pays for a choice; arithmetic alone, for plans."""
    unit = share * epochs * n_rows / (n_policies + 2 * FINALISTS)
    return unit >= FEWEST_PICTURES * min(EPOCHS, epochs) and n_rows * (1 - JUDGED_ON_SHARE) >= FEWEST_PICTURES


def _scores(trial: _Trial, policies: Sequence[Augmentation], length: Length) -> dict[Augmentation, float]:
    """The selection loss of each policy that there was time for."""
    found = {policy: trial.loss(policy, length) for policy in policies}
    return {policy: score for policy, score in found.items() if score is not None}


def _inner(dataset: Dataset[Images], split: Split, seed: int) -> Split:
    """Training rows of the choice, and those that judge it: whole groups, or the latest where rows have a time."""
    rows = split.train
    most = int(min(MOST_JUDGED_ON, JUDGED_ON_SHARE * len(rows)))
    if dataset.time is not None:
        order = rows[np.argsort(dataset.time[rows], kind="stable")]
        first = dataset.time[order[len(order) - most]] if most else np.inf
        return Split(np.sort(rows[dataset.time[rows] < first]), np.sort(rows[dataset.time[rows] >= first]))
    judges = part_of(dataset, rows, most, seed) if most else rows[:0]
    return Split(np.setdiff1d(rows, judges), np.sort(judges))


def _length(pictures: float, free: IntArray, rows: IntArray, recipe: Recipe) -> Length | None:
    """A training that sees so many pictures, of those that are ``free``; None where they are too few."""
    n = min(len(free), int(pictures / min(EPOCHS, recipe.epochs)))
    if n < FEWEST_PICTURES:
        return None
    epochs = min(recipe.epochs, max(1, int(pictures / n)))
    batch = max(SMALLEST_BATCH, round(recipe.batch_size * n / len(rows)))  # an epoch keeps its steps
    return Length(n, epochs, min(batch, recipe.batch_size))


@dataclass(frozen=True)
class _Trial:
    dataset: Dataset[Images]
    split: Split
    architecture: ConvolutionalArchitecture
    recipe: Recipe
    seed: int
    context: Context

    def loss(self, augmentation: Augmentation, length: Length) -> float | None:
        """The calibrated selection loss on the judging pictures; None where there was no time for it."""
        context = self.context
        if context.deadline.passed:
            return None
        own = Context(deadline=context.deadline, threads=context.threads)
        recipe = replace(self.recipe, epochs=length.epochs, batch_size=length.batch)
        rows = self._rows(length.rows)
        trained = train_on_pictures(
            self.dataset, Split(rows, self.split.test), self.architecture, recipe, self.seed, own, augmentation
        )
        if own.cut_short:
            return None
        member = PictureMember(trained.network, self.dataset.task, PixelSteps(()), trained.target)
        outputs = member.predict(self.dataset.inputs.take(self.split.test))
        y = self.dataset.y[self.split.test]
        if not np.isfinite(outputs).all():
            return math.inf
        calibration = fit_calibration(self.dataset.task, y, outputs, class_weighted=False)
        outputs = outputs if calibration is None else calibration.apply(outputs)
        return float(row_losses(self.dataset.task, y, outputs).mean())

    def _rows(self, n: int) -> IntArray:
        """The same ``n`` training rows for every policy."""
        return np.sort(np.random.default_rng(self.seed).permutation(self.split.train)[:n])
