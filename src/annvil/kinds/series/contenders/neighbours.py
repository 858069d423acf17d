"""What the most similar training series say, where time may be bent a little: nearest neighbours under warping.

The oldest yardstick of the field (1-NN with dynamic time warping), for small data: every training series is remembered
and compared with, step by step. All of them vote, but so steeply by distance that the nearest few decide. Series of any
length are brought to one number of steps first, so that the walk over the anti-diagonals is as long for all and fits
into a graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from annvil.data.dataset import Dataset
from annvil.kinds.series.contenders.warping import Reshaped, WarpedDistances
from annvil.kinds.series.series import Series
from annvil.models.contract import BaseContender, Family
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, ladder_of
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import Candidate, best_of, fitted_with, positions, try_candidates
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray, IntArray

MOST_STEPS = 160
"""Longer series are compared at so many steps (assumed: a graph has a few nodes for each)."""

WAYS = ((16, 0.03), (16, 0.0), (16, 0.1), (8, 0.03), (32, 0.03), (8, 0.0))
"""How steeply votes fall with distance, and by what part of the length time may be bent, in the order in which they are
tried. A narrow band is as good as the best one on most sets (Dau et al. 2018, "Optimizing dynamic time warping's window
width"); 0 is Euclid's distance."""

MOST_CELLS = 2e10
"""Cells of all matrices together, with channels: about a minute and a half (measured: 4 ns each)."""

SECONDS_PER_CELL = 6e-9
"""Measured on one core, erring slow."""

DOUBT = 0.1
"""Weight of the frequencies of classes, or of the mean, beside the neighbours'; one at distance 0 has 1 (assumed)."""

TINY = 1e-6
"""Beside distances: series that are the same have one, too."""

PAIRS_AT_ONCE = 1 << 14
"""Whose distances are measured together (measured: what is needed of them stays near the processor)."""


@dataclass(frozen=True)
class Votes:
    """Answers of remembered series, each with the weight ``(nearest distance / its distance) ** steepness``.

    Attributes
    ----------
    answers : float64 ``(m, n_outputs)``
    prior : ``(n_outputs,)``, with the weight `DOUBT`
    """

    answers: FloatArray
    prior: FloatArray
    steepness: int

    def outputs(self, distances: FloatArray) -> FloatArray:
        """Of distances ``(n, m)``: ``(n, n_outputs)``."""
        far = distances + TINY
        weights = (far.min(axis=1, keepdims=True) / far) ** self.steepness
        return np.asarray((weights @ self.answers + DOUBT * self.prior) / (weights.sum(axis=1, keepdims=True) + DOUBT))

    def write(self, graph: Graph, distances: Value) -> Value:
        """The same of float64 distances."""
        axis, far = graph.constant([1], "int64"), graph.op("Add", distances, graph.constant(TINY))
        nearness = graph.op("Div", graph.op("ReduceMin", far, axis, keepdims=1), far)
        weights = graph.op("Pow", nearness, graph.constant(float(self.steepness)))
        voted = graph.op("MatMul", weights, graph.constant(self.answers))
        total = graph.op("Add", graph.op("ReduceSum", weights, axis, keepdims=1), graph.constant(DOUBT))
        return graph.op("Div", graph.op("Add", voted, graph.constant(DOUBT * self.prior)), total)


@dataclass(frozen=True)
class WarpedMember(BaseMember):
    """Remembered series, and what they answer."""

    distances: WarpedDistances
    votes: Votes

    def predict(self, inputs: Series) -> FloatArray:
        return self.votes.outputs(_distances(self.distances, inputs))

    def write(self, graph: Graph, /, *raw: Value) -> Value:
        from annvil.onnx.export import export_module

        n_channels = self.distances.memory.shape[1]
        examples = torch.zeros(1, n_channels, 3), torch.full((1,), 3)
        (found,) = export_module(graph, self.distances, *raw, examples=examples, free={0: 2})
        return self.votes.write(graph, graph.cast(found, "float64"))

    def describe_preparation(self) -> tuple[str, ...]:
        n = self.distances.reshaped.n_steps
        return (f"Channels are scaled, and each series is brought to {n} steps on straight lines between its own.",)

    @property
    def n_parameters(self) -> int:
        """Remembered values and answers."""
        return int(self.distances.memory.numel() + self.votes.answers.size)


def _distances(module: WarpedDistances, inputs: Series) -> FloatArray:
    """A block of series at a time, float64 ``(n, m)``."""
    n_values = max(1, PAIRS_AT_ONCE // len(module.memory)) * inputs.form.n_channels * int(inputs.lengths.max(initial=1))
    found = [np.empty((0, len(module.memory)))]
    with torch.inference_mode():
        for _, block in inputs.blocks(n_values):
            values, lengths = block.padded()
            found.append(module(torch.from_numpy(values), torch.from_numpy(lengths)).double().numpy())
    return np.concatenate(found)


class WarpedNeighbours(BaseContender):
    """Nearest neighbours under dynamic time warping, on small data."""

    name = "warped-neighbours"
    title = "Nearest neighbours with warped time"
    family: Family = "neighbours"

    def declines(self, shape: Shape) -> str | None:
        """Where comparing all pairs of series takes too long."""
        if sum(_cells(shape, band) for band in {band for _, band in WAYS}) > MOST_CELLS:
            return f"Comparing {shape.n_rows:,} series with each other step by step would take too long."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """Two ways, then all of them; distances are measured once for each band."""

        def rung(candidates: int) -> Rung:
            bands = {band for _, band in WAYS[:candidates]}
            cells = sum(_cells(shape, band) for band in bands)
            effort = Effort(candidates, inner_folds=5)
            seconds = 0.05 + cells * SECONDS_PER_CELL + candidates * (0.01 + 2e-8 * shape.n_rows**2)
            return Rung(effort, seconds, describe_effort(effort, "way to vote", "ways to vote"))

        return ladder_of([rung(2), rung(len(WAYS))])

    def fit(self, dataset: Dataset[Series], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Distances between all series of a job once, the number of neighbours on its inner splits."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset[Series], job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()
        if running.is_over():
            return None
        series, y = dataset.inputs.take(job.rows), dataset.y[job.rows]
        reshaped, memory = _remembered(series)
        answers, everyone = dataset.task.indicators(y), np.arange(len(y))
        made: dict[int, FloatArray] = {}

        def votes(rows: IntArray, candidate: Candidate) -> Votes:
            return Votes(answers[rows], dataset.task.constant(y[rows]), candidate.configuration["steepness"])

        def fit_split(candidate: Candidate, number: int) -> tuple[None, FloatArray]:
            band = _band(candidate, reshaped)
            if band not in made:
                made[band] = _distances(WarpedDistances(reshaped, memory, band), series)
            split = job.inner[number]
            rows = positions(job, split.train)
            known = made[band][np.ix_(positions(job, split.test), rows)]
            return None, votes(rows, candidate).outputs(known)

        trials, _ = try_candidates(dataset, job, _candidates(effort), fit_split, running)
        if not trials:
            return None
        best = best_of(trials)
        distances = WarpedDistances(reshaped, memory, _band(best.candidate, reshaped))
        members = (WarpedMember(distances, votes(everyone, best.candidate)),)
        return fitted_with(self.name, dataset, job, trials, members, watch, running)


def _candidates(effort: Effort) -> list[Candidate]:
    chosen: Sequence[tuple[int, float]] = WAYS[: effort.candidates]
    if effort.configuration is not None:
        chosen = ((int(effort.configuration["steepness"]), float(effort.configuration["band"])),)
    return [
        Candidate(
            {"steepness": steepness, "band": band},
            f"votes by distance to the power of -{steepness}, "
            + (f"time bent by {band:.0%} at most" if band else "time as it is"),
        )
        for steepness, band in chosen
    ]


def _band(candidate: Candidate, reshaped: Reshaped) -> int:
    band: float = candidate.configuration["band"]
    return max(1, round(band * reshaped.n_steps)) if band else 0


def _remembered(series: Series) -> tuple[Reshaped, Tensor]:
    """Series of a job as they are compared."""
    n_steps = min(MOST_STEPS, int(np.median(series.lengths)))
    reshaped = Reshaped(series.form.n_channels, n_steps).eval()
    values, lengths = map(torch.from_numpy, series.padded())
    reshaped.input.look_at(values, lengths)
    with torch.no_grad():
        return reshaped, reshaped(values, lengths)


def _cells(shape: Shape, band: float) -> float:
    """Of the matrices of all pairs, with channels; about a tenth of the work for each step where time is as it is."""
    form: Any = shape.form
    n_steps = min(MOST_STEPS, form.longest)
    return float(shape.n_rows**2 * n_steps * (1 + 2 * band * n_steps if band else 0.1) * form.n_channels)
