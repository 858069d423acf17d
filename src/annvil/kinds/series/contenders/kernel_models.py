"""Contenders on kernels that nobody trains: Hydra and MiniRocket, with ridge regression on what they count.

Kernels and counts hang on the series of a job but not on their answers, so they are made once for all inner splits;
these choose the penalty of the ridge by the calibrated loss (the papers choose it by leaving one series out, which
flatters where windows of one recording are neighbours). Scores of a ridge are no probabilities: a factor in front of
the task's link, learnt from scores of series that a fit had not seen, makes them so; what calibration finds beyond that
is the house's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.kinds.series.contenders.hydra import Hydra
from annvil.kinds.series.contenders.kernels import Kernels, MiniRocket
from annvil.kinds.series.series import Series
from annvil.models.contract import BaseContender, Family
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, ladder_of, row_steps
from annvil.models.linear_fits import Coefficients
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import BaseMember, Fitted
from annvil.models.ridge import Ridge
from annvil.models.selection import Candidate, best_of, fitted_with, inner_positions, judge, positions
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TargetScaling, is_imbalanced
from annvil.tasks.base import FloatArray, IntArray, Task

PENALTIES = (0.1, 0.01, 1.0, 0.001, 10.0, 0.0001)
"""Parts of the mean square of a series' features, in the order in which they are tried (assumed: the papers' range)."""

SHARPNESS, SPREAD = 6.0, 1.0
"""Before any score is seen: factor in front of the link, and how far it may be off, as a logarithm (assumed)."""

VALUES_AT_ONCE = 1 << 12
"""Values of series whose answers to kernels are held at once (measured: they stay near the processor)."""

LOOKED_AT = 1 << 24
"""Values from which the scale of channels, and thresholds, are learnt; of more series some are drawn (assumed)."""

MOST_FEATURES = 1 << 27
"""Numbers of all training series together: 512 MB (assumed)."""

FEW_EQUATIONS = 2_000
"""Up to so many, five inner folds cost little beside the features (measured); beyond there is one holdout."""

MOST_EQUATIONS = 5_000
"""Of a ridge with more than the fewest kernels: the lesser of features and series (assumed: 200 MB, solved thrice)."""


@dataclass(frozen=True)
class KernelMember(BaseMember):
    """Kernels, coefficients for what they count, and the way from scores to outputs."""

    kernels: Kernels
    fit: Coefficients
    task: Task
    sharpness: float
    target: TargetScaling | None

    def predict(self, inputs: Series) -> FloatArray:
        scores = [features @ self.fit.slopes for features in _features_of(self.kernels, inputs)]
        return self.outputs(np.concatenate(scores) + self.fit.intercepts)

    def outputs(self, scores: FloatArray) -> FloatArray:
        """Probabilities, or values in the target's unit."""
        if self.target is not None:
            return self.target.inverse(scores)
        return self.task.link.apply(self.sharpness * scores)

    def write(self, graph: Graph, /, *raw: Value) -> Value:
        from annvil.onnx.export import export_module

        n_channels = len(self.kernels.grid.input.mean)
        examples = torch.zeros(1, n_channels, 3), torch.full((1,), 3)
        (features,) = export_module(graph, self.kernels, *raw, examples=examples, free={0: 2})
        product = graph.op("MatMul", graph.cast(features, "float64"), graph.constant(self.fit.slopes))
        scores = graph.op("Add", product, graph.constant(self.fit.intercepts))
        if self.target is not None:
            return self.target.write(graph, scores)
        return self.task.link.write(graph, graph.op("Mul", scores, graph.constant(self.sharpness)))

    def describe_preparation(self) -> tuple[str, ...]:
        n = self.kernels.n_features
        return (f"Channels are scaled, and {n:,} features count how {self.kernels.told} answer.",)

    @property
    def n_parameters(self) -> int:
        """Those of the linear model; kernels are not learnt."""
        return int(self.fit.slopes.size + self.fit.intercepts.size)


def _features_of(kernels: Kernels, inputs: Series) -> Iterator[FloatArray]:
    """A block of series at a time, float64 ``(n, n_features)``."""
    kernels.eval()
    with torch.inference_mode():
        for _, block in inputs.blocks(VALUES_AT_ONCE):
            values, lengths = block.padded()
            yield kernels.in_pieces(torch.from_numpy(values), torch.from_numpy(lengths)).double().numpy()


class KernelModel(BaseContender):
    """Ridge regression on what kernels count.

    Parameters
    ----------
    kernels : channels, usual length, size and a seed → kernels without what they learn
    size : what is given there at the top of the ladder
    features : how many of them there are, of a size and a length
    unit : of the size, for people
    seconds_per_answer : processor time of one feature at one step of one channel (measured on one core, erring slow)
    """

    family: Family = "linear"

    def __init__(
        self,
        name: str,
        title: str,
        kernels: Callable[[int, int, int, int], Kernels],
        size: int,
        features: Callable[[int, int], int],
        unit: str,
        seconds_per_answer: float,
    ) -> None:
        self.name, self.title = name, title
        self._kernels, self._size, self._features, self._unit = kernels, size, features, unit
        self._seconds_per_answer = seconds_per_answer

    def declines(self, shape: Shape) -> str | None:
        """More training series than features can be held of."""
        form: Any = shape.form
        if shape.n_rows * self._features(self._size // 4, form.longest) > MOST_FEATURES:
            return f"What kernels count of {shape.n_rows:,} series would not fit into memory."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """A quarter of the kernels, half and all of them, as far as features can be held and equations solved."""
        form: Any = shape.form

        def rung(scale: float, candidates: int, rows: int | None = None) -> Rung:
            n_rows, size = min(shape.n_rows, rows or shape.n_rows), round(self._size * scale)
            n_features = self._features(size, form.longest)
            counted = n_rows * n_features * form.longest * (1 + form.n_channels / 8) * self._seconds_per_answer
            less, more = sorted((n_rows, n_features))
            inner = 5 if less <= FEW_EQUATIONS else 1
            solved = 1e-10 * (more * less**2 + inner * candidates * less**3 / 3)
            effort = Effort(candidates, scale=scale, inner_folds=inner, rows=rows)
            words = describe_effort(replace(effort, scale=1.0), "penalty", "penalties")
            return Rung(effort, 0.2 + counted + solved, f"{size:,} {self._unit}, {words}")

        parts = [rung(0.25, 3, rows) for rows in row_steps(shape.n_rows)]
        more = [(scale, self._features(round(self._size * scale), form.longest)) for scale in (0.5, 1.0)]
        held = [(scale, n) for scale, n in more if shape.n_rows * n <= MOST_FEATURES]
        fit = [scale for scale, n in held if min(n, shape.n_rows) <= MOST_EQUATIONS]
        return ladder_of([*parts, rung(0.25, 3), *(rung(scale, len(PENALTIES)) for scale in fit)])

    def fit(self, dataset: Dataset[Series], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Kernels once, penalties on the inner splits, then one fit on all series, for every job."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset[Series], job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()
        if running.is_over():
            return None
        given = effort.configuration or {}
        size = int(given.get("size", max(self._size // 8, round(self._size * effort.scale))))
        penalties = (float(given["penalty"]),) if given else PENALTIES[: effort.candidates]
        task, y, series = dataset.task, dataset.y[job.rows], dataset.inputs.take(job.rows)
        kernels = self._ready(series, size, job.seed)
        features = _held(kernels, series)
        if running.is_over():
            return None
        scaling = _Scaling.of(features)
        target = TargetScaling.of(task, y)
        answers = 2 * task.indicators(y) - 1 if target is None else target.transform(y)[:, None].astype(np.float64)
        ridge = Ridge(features, answers)
        tested = inner_positions(job)
        trained = [positions(job, split.train) for split in job.inner]
        fits = [ridge.fit(rows, penalties) for rows in trained]
        trials, factors = [], []
        for number, penalty in enumerate(penalties):
            scores = [_scores(features[rows], fit[number]) for rows, fit in zip(tested, fits, strict=True)]
            factors.append(_sharpness(task, y, tested, scores) if target is None else 1.0)
            told = KernelMember(kernels, fits[0][number], task, factors[-1], target)
            candidate = Candidate(
                {"size": size, "penalty": penalty},
                f"{size:,} {self._unit}, ridge regression, penalty {penalty:g}",
                is_imbalanced(y, task),
            )
            trials.append(judge(dataset, job, [told.outputs(one) for one in scores], candidate))
        best = best_of(trials)
        number = trials.index(best)
        (final,) = ridge.fit(np.arange(len(y)), penalties[number : number + 1])
        members = (KernelMember(kernels, scaling.undone(final), task, factors[number], target),)
        return fitted_with(self.name, dataset, job, trials, members, watch, running)

    def _ready(self, series: Series, size: int, seed: int) -> Kernels:
        """Kernels that have looked at the training series, or at some of them."""
        length = int(np.median(series.lengths))
        kernels = self._kernels(series.form.n_channels, length, size, seed % 2**31)
        n = max(1, LOOKED_AT // (series.form.n_channels * int(series.lengths.max())))
        if n < series.n_rows:
            series = series.take(np.sort(np.random.default_rng(seed).permutation(series.n_rows)[:n]))
        values, lengths = map(torch.from_numpy, series.padded())
        kernels.grid.input.look_at(values, lengths)
        kernels.look_at(values, lengths, seed % 2**31)
        return kernels


@dataclass(frozen=True)
class _Scaling:
    """Mean 0 and deviation 1 for every feature; what hardly ever moves says nothing."""

    means: FloatArray
    factors: FloatArray

    SMALLEST = 1e-3

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> _Scaling:
        """Learnt from training features, which are scaled in their place."""
        means = features.mean(axis=0, dtype=np.float64)
        features -= means.astype(np.float32)
        deviations = np.sqrt(np.einsum("ij,ij->j", features, features, dtype=np.float64) / len(features))
        factors = np.where(deviations > cls.SMALLEST, 1 / np.maximum(deviations, cls.SMALLEST), 0.0)
        features *= factors.astype(np.float32)
        return cls(means, factors)

    def undone(self, fit: Coefficients) -> Coefficients:
        """The same fit for features as they come."""
        slopes = fit.slopes * self.factors[:, None]
        return Coefficients(slopes, fit.intercepts - self.means @ slopes)


def _held(kernels: Kernels, series: Series) -> NDArray[np.float32]:
    held = np.empty((series.n_rows, kernels.n_features), dtype=np.float32)
    start = 0
    for block in _features_of(kernels, series):
        held[start : start + len(block)] = block
        start += len(block)
    return held


def _scores(features: NDArray[np.float32], fit: Coefficients) -> FloatArray:
    return np.asarray(features.astype(np.float64) @ fit.slopes + fit.intercepts)


def _sharpness(task: Task, y: NDArray[Any], tested: Sequence[IntArray], scores: Sequence[FloatArray]) -> float:
    """The factor under which scores of series that were not learnt from lose least."""
    from scipy.optimize import minimize_scalar

    truth, found = np.concatenate([y[rows] for rows in tested]), np.concatenate(scores)

    def cost(log_factor: float) -> float:
        losses = task.row_losses(truth, task.link.apply(np.exp(log_factor) * found))
        return float(losses.sum() + 0.5 * ((log_factor - np.log(SHARPNESS)) / SPREAD) ** 2)

    best = minimize_scalar(cost, bounds=(np.log(0.3), np.log(200.0)), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(best.x))


def hydra() -> KernelModel:
    """With 64 groups of kernels at most, as published."""
    return KernelModel("hydra", "Competing kernels (Hydra)", Hydra, 64, Hydra.features, "groups of kernels", 6e-9)


def minirocket() -> KernelModel:
    """With 10,000 features at most, as published."""
    return KernelModel(
        "minirocket", "Random kernels (MiniRocket)", MiniRocket, 10_000, MiniRocket.features, "features", 2.5e-9
    )
