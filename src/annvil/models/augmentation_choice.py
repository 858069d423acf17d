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
from annvil.task import FloatArray, IntArray

if TYPE_CHECKING:
    from annvil.networks.convolutional import ConvolutionalArchitecture
    from annvil.training import Recipe

COST_SHARE = 0.25
"""What choosing may cost at most, as a share of the pictures that the training to come will see (assumed)."""

FINALISTS = 3
"""Policies that get a second, twice as long training (assumed)."""

JUDGED_ON_SHARE, MOST_JUDGED_ON = 0.2, 1_000
"""Training pictures that the trainings of the choice do not see: they judge it (assumed)."""

FEWEST_PICTURES, FEWEST_EPOCHS, SMALLEST_BATCH = 400, 3, 32
"""Below these a training says nothing (assumed); where the share does not pay for it, nothing is tried."""


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

    Every policy is tried in a short training, and the best `FINALISTS` in one of twice the length. Of those that are
    within one standard error of the best (of the difference, picture by picture), the most cautious is taken. Rows and
    epochs shrink alike: fewer pictures make augmentation look better than it is, fewer epochs worse (assumed to offset
    each other), and batches shrink with the rows, so that an epoch keeps its steps.

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
    lengths = [_length(unit * times, len(inner.train), recipe) for times in (1, 2)]
    if lengths[0] is None or lengths[1] is None or len(inner.test) == 0:
        return policies[1], []
    trial = _Trial(dataset, inner, architecture, recipe, seed, context)
    first = {policy: trial.losses(policy, lengths[0]) for policy in policies}
    order = _best_first(first)[:FINALISTS]
    second = {policy: trial.losses(policy, lengths[1]) for policy in order}
    known = {policy: losses for policy, losses in second.items() if losses is not None}
    known = known if len(known) == len(order) else {p: losses for p, losses in first.items() if losses is not None}
    if not known:
        return policies[1], []
    tried = [(policy, float(losses.mean())) for policy, losses in known.items()]
    tried += [(p, float(losses.mean())) for p, losses in first.items() if losses is not None and p not in known]
    chosen = most_cautious([policy for policy in policies if policy in known], known)
    return chosen, sorted(tried, key=lambda pair: (pair[0] not in known, pair[1]))


def affordable(n_rows: int, recipe_epochs: int, n_policies: int, share: float = COST_SHARE) -> bool:
    """Whether so many rows and epochs pay for a choice; arithmetic alone, for plans."""
    unit = share * recipe_epochs * n_rows / (n_policies + 2 * FINALISTS)
    return unit >= FEWEST_PICTURES * FEWEST_EPOCHS


def most_cautious(policies: Sequence[Augmentation], losses: dict[Augmentation, FloatArray]) -> Augmentation:
    """The first of the policies whose loss is within one standard error of the least, picture by picture."""
    best = min(policies, key=lambda policy: float(losses[policy].mean()))
    for policy in policies:
        difference = losses[policy] - losses[best]
        error = float(difference.std()) / math.sqrt(len(difference))
        if policy is best or float(difference.mean()) <= error:
            return policy
    return best


def _best_first(found: dict[Augmentation, FloatArray | None]) -> list[Augmentation]:
    scores = {policy: float(losses.mean()) for policy, losses in found.items() if losses is not None}
    return sorted(scores, key=lambda policy: scores[policy])


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


def _length(pictures: float, n_rows: int, recipe: Recipe) -> Length | None:
    """A training that sees so many pictures, or None where that is too little."""
    if pictures < FEWEST_PICTURES * FEWEST_EPOCHS:
        return None
    factor = math.sqrt(pictures / (n_rows * recipe.epochs))
    rows = min(n_rows, max(FEWEST_PICTURES, round(n_rows * factor)))
    epochs = min(recipe.epochs, max(FEWEST_EPOCHS, int(pictures / rows)))
    rows = min(rows, int(pictures / epochs))
    batch = max(SMALLEST_BATCH, round(recipe.batch_size * rows / n_rows))
    return Length(rows, epochs, min(batch, recipe.batch_size))


@dataclass(frozen=True)
class _Trial:
    dataset: Dataset[Images]
    split: Split
    architecture: ConvolutionalArchitecture
    recipe: Recipe
    seed: int
    context: Context

    def losses(self, augmentation: Augmentation, length: Length) -> FloatArray | None:
        """The calibrated selection loss of every judging picture; None where there was no time for it."""
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
            return np.full(len(y), np.inf)
        calibration = fit_calibration(self.dataset.task, y, outputs, class_weighted=False)
        return row_losses(self.dataset.task, y, outputs if calibration is None else calibration.apply(outputs))

    def _rows(self, n: int) -> IntArray:
        """The same ``n`` training rows for every policy."""
        return np.sort(np.random.default_rng(self.seed).permutation(self.split.train)[:n])
