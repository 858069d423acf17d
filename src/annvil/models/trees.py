"""Boosted trees: scikit-learn's histogram gradient boosting, searched over a fixed list, stopped early, bagged.

Which library and which list: docs/decisions/0020-boosted-trees.md. Every inner split grows one member on its training
rows and stops where its validation rows are predicted best; the members of the best candidate are averaged. The same
validation rows stop the growth and give the out-of-fold predictions, which flatters these a little (as in every
bagged booster); choosing one number of rounds for all folds instead changed nothing on real tables (measured there).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, first_rows, ladder_of, row_steps
from annvil.models.logarithm import Powers, spans_magnitudes
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import Fitted
from annvil.models.selection import Candidate, best_of, fitted_with, try_candidates
from annvil.models.sklearn_private import baseline_of
from annvil.models.trees_growth import (
    GROWTHS,
    MOST_TREES,
    ROUNDS,
    Growth,
    grow_trees,
    seconds_per_fit,
)
from annvil.models.trees_members import LabelTreesMember, TreesMember, base_scores
from annvil.preparation import TreePreparation, class_weights, is_imbalanced
from annvil.tasks.base import FloatArray, IntArray, Task

QUICK = 0.25
"""Length of the first rung (assumed): a quarter of the rounds at twice the learning rate."""

MOST_LABELS = 40
"""Labels at once, each with trees of its own in every fold (assumed: beyond, model and training take minutes)."""


class BoostedTrees(BaseContender):
    """Gradient boosted trees on numbers and target-encoded categories."""

    name = "boosted-trees"
    title = "Boosted trees"
    family: Family = "trees"
    traits = Traits(bags=True, weights_classes=True, central=True)

    def __init__(self, monotone: Mapping[str, int] | None = None) -> None:
        self.monotone = dict(monotone or {})  # 1 or -1 by column: predictions rise or fall with it

    def declines(self, shape: Shape) -> str | None:
        """Many labels at once: each is a model of its own."""
        if shape.task.n_questions > MOST_LABELS:
            return (
                f"Boosted trees sit out above {MOST_LABELS} labels at once: every label needs trees of its own, and "
                f"there are {shape.n_outputs}."
            )
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """Few large steps on one holdout; then small ones, a bag of five, more candidates, room for more rounds."""

        def rung(candidates: int, inner: int, scale: float = 1.0, rows: int | None = None) -> Rung:
            one = seconds_per_fit(replace(shape, n_rows=min(shape.n_rows, rows or shape.n_rows)), inner)
            effort = Effort(candidates, scale, inner_folds=inner, rows=rows)
            spent = scale if scale < 1 else math.sqrt(scale)  # early stopping mostly ends a long growth
            return Rung(effort, inner * candidates * one * spent, describe_effort(effort))

        values = (shape.n_numbers + shape.n_texts) * shape.n_outputs
        parts = [rung(1, 1, QUICK, rows) for rows in row_steps(shape.n_rows, first_rows(values))]
        one = [rung(1, 1, QUICK), rung(1, 1), rung(1, 5)]
        several = [rung(2, 5), rung(4, 5, 2.0), rung(len(GROWTHS), 5, 3.0)]
        return ladder_of([*parts, *one, *several])

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Search on the inner splits and bag their members, for every job."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset, job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()
        splits = [_SplitData(dataset, job, number, effort, self.monotone) for number in range(len(job.inner))]

        def fit_split(candidate: Candidate, number: int) -> tuple[TreesMember | LabelTreesMember, FloatArray]:
            return splits[number].grow(Growth(**candidate.configuration), effort.scale, running)

        trials, members = try_candidates(dataset, job, _candidates(dataset, job, effort), fit_split, running)
        if not trials:
            return None
        best = best_of(trials)
        rounds = [rounds for member in members for rounds in member.rounds]
        summary = f"{best.candidate.words}; {_range(rounds)} rounds"
        return fitted_with(self.name, dataset, job, trials, tuple(members), watch, running, summary=summary)


def _candidates(dataset: Dataset, job: Job, effort: Effort) -> list[Candidate]:
    if effort.configuration is not None:
        return [Growth(**effort.configuration).candidate()]
    task = dataset.task
    growths = list(GROWTHS)
    if not task.predicts_probabilities and dataset.y.ndim == 1 and spans_magnitudes(dataset.y[job.rows]):
        growths[:2] = [replace(one, logarithm=powers) for one in growths[:2] for powers in (True, False)]
    if effort.options.imbalance == "auto" and is_imbalanced(dataset.y[job.rows], task):
        growths[3:3] = [replace(growths[0], class_weighted=True)]
        growths[6:6] = [replace(growths[2], class_weighted=True)]
    return [growth.candidate() for growth in growths[: effort.candidates]]


class _SplitData:
    """Prepared rows of one inner split, made when first needed and kept for all candidates."""

    def __init__(self, dataset: Dataset, job: Job, number: int, effort: Effort, monotone: Mapping[str, int]) -> None:
        self._monotone = monotone
        self._dataset, self._split, self._effort = dataset, job.inner[number], effort
        self._seed = int(np.random.default_rng([job.seed, number]).integers(2**31))
        self._prepared: tuple[TreePreparation, NDArray[np.float32], NDArray[np.float32]] | None = None

    def grow(self, growth: Growth, scale: float, running: Running) -> tuple[TreesMember | LabelTreesMember, FloatArray]:
        """A member grown on the split's training rows, and its outputs for the test rows."""
        preparation, _, test = self._rows()
        task, y = self._dataset.task, self._dataset.y
        if task.n_questions == 1:
            return self._grow_one(task, y, growth, scale, running)
        # As many trees for all labels together as many classes get.
        scale *= min(1.0, MOST_TREES / (ROUNDS * task.n_outputs))
        labels = (self._grow_one(one, own, growth, scale, running)[0] for one, own in task.questions(y))
        member = LabelTreesMember(preparation, tuple(labels))
        return member, member.outputs(test)

    def _grow_one(
        self, task: Task, y: NDArray[Any], growth: Growth, scale: float, running: Running
    ) -> tuple[TreesMember, FloatArray]:
        preparation, train, test = self._rows()
        y_train, y_test = y[self._split.train], y[self._split.test]
        if not task.one_class_a_row:
            powers = growth.logarithm and min(y_train.min(), y_test.min(initial=1.0)) > 0
            learnt, stopping = (np.log(y_train), np.log(y_test)) if powers else (y_train, y_test)
            model = grow_trees(
                growth, scale, self._seed, (train, learnt), (test, stopping), None, running, self._signs(preparation)
            )
            member = TreesMember(preparation, model, (0,), baseline_of(model), Powers() if powers else task.link)
            member = replace(member, link=Powers.smeared(y_test, member.outputs(test))) if powers else member
            return member, member.outputs(test)
        present = np.unique(y_train)
        if len(present) == 1:
            base = base_scores(task, present, len(y_train), np.zeros(1))
            member = TreesMember(preparation, None, (), base, task.link)
            return member, member.outputs(test)
        known = np.isin(y_test, present)
        weights = class_weights(y_train, task.n_outputs) if growth.class_weighted else None
        stopping = test[known], y_test[known]
        signs = self._signs(preparation)
        model = grow_trees(growth, scale, self._seed, (train, y_train), stopping, weights, running, signs)
        base = base_scores(task, present, len(y_train), baseline_of(model))
        columns = present[1:] if len(present) == 2 else present
        member = TreesMember(preparation, model, tuple(int(column) for column in columns), base, task.link)
        return member, member.outputs(test)

    def _signs(self, preparation: TreePreparation) -> IntArray | None:
        return preparation.signs(self._monotone) if self._monotone else None

    def _rows(self) -> tuple[TreePreparation, NDArray[np.float32], NDArray[np.float32]]:
        if self._prepared is None:
            inputs = self._dataset.inputs.take(self._split.train)
            preparation, train = TreePreparation.fit_transform(
                inputs,
                scaling=self._effort.options.scaling,
                y=self._dataset.y[self._split.train],
                task=self._dataset.task,
                seed=self._seed,
                monotone=self._monotone.keys(),
            )
            test = preparation.transform(self._dataset.inputs.take(self._split.test))
            self._prepared = preparation, train.numbers, test.numbers
        return self._prepared


def _range(rounds: Sequence[int]) -> str:
    low, high = min(rounds), max(rounds)
    return f"{low}" if low == high else f"{low}–{high}"
