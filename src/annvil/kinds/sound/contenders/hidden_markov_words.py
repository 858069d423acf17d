"""A hidden Markov model for each word, with mixtures of Gaussians on cepstra: speech recognition before networks.

Each word has a chain of states that gives off frames (`annvil.kinds.sound.hidden_markov`); the word whose chain gives
off a clip most likely is said. Log probabilities are divided by the frames of the clip, because neighbouring frames say
the same again, and multiplied by what held-out clips bear, before they become probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from annvil.data.dataset import Dataset
from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.form import SoundForm
from annvil.kinds.sound.hidden_markov.scores import ChainScores
from annvil.kinds.sound.hidden_markov.speech_frames import Frames, SpeechFrames, frames_of
from annvil.kinds.sound.hidden_markov.training import Chains, Sizes, learn_chains
from annvil.models.contract import BaseContender, Family
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, ladder_of, row_steps
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import Candidate, best_of, inner_positions, judge, positions
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray, IntArray, Task

SIZES = (Sizes(8, 4), Sizes(6, 4), Sizes(8, 8), Sizes(10, 4), Sizes(5, 2), Sizes(8, 2))
"""States and components in the order in which they are tried; all are within a point of each other on spoken digits of
new speakers (measured)."""

SECONDS_PER_SECOND, SECONDS_PER_COMPONENT = 1e-3, 1.5e-4
"""Processor time for the frames of one second of sound, and for learning and scoring it with chains of one component in
each state (measured on a busy core: 0.6 ms, 0.1 ms)."""

LARGEST_FRAMES = 2 << 30
"""Bytes of all frames that are held (assumed)."""

LEAST = -1e6
"""Log probability of a frame below which it says no more: chains that cannot give off a clip at all are alike."""

FRAMES_A_SECOND, FEATURES = 100, 39

BLOCK = 1 << 19
"""Samples that are scored together."""


class WordScores(nn.Module):
    """Samples ``(n, time)`` and lengths ``(n,)`` to log probabilities per frame, float64 ``(n, words)``."""

    def __init__(self, frames: SpeechFrames, chains: ChainScores) -> None:
        super().__init__()
        self.frames, self.chains = frames, chains

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor:
        frames, counts = self.frames(samples, lengths)
        found: Tensor = (self.chains(frames, counts) / counts[:, None].double()).clamp(min=LEAST)
        return found


@dataclass(frozen=True)
class HiddenMarkovMember(BaseMember):
    """Chains of all words, how sure a difference between them makes, and how frequent the words are."""

    scores: WordScores
    sharpness: float
    prior: FloatArray
    task: Task
    n_learnt: int

    def predict(self, inputs: Clips) -> FloatArray:
        order = np.argsort(inputs.lengths, kind="stable")
        scores = np.empty((inputs.n_rows, self.task.n_outputs))
        with torch.inference_mode():
            for rows, block in inputs.take(order).blocks(BLOCK):
                scores[order[rows]] = self.scores(*map(torch.from_numpy, block.padded())).numpy()
        return self.outputs(scores)

    def outputs(self, scores: FloatArray) -> FloatArray:
        """Probabilities of log probabilities per frame."""
        return self.task.link.apply(self.sharpness * scores + np.log(self.prior))

    def write(self, graph: Graph, /, *raw: Value) -> Value:
        from annvil.onnx.export import export_module

        examples = self.scores.frames.front_end.examples()
        (scores,) = export_module(graph, self.scores, *raw, examples=examples, free={0: 1})
        sharp = graph.op("Mul", scores, graph.constant(self.sharpness))
        return self.task.link.write(graph, graph.op("Add", sharp, graph.constant(np.log(self.prior))))

    def describe_preparation(self) -> tuple[str, ...]:
        said = (
            "Quiet before and behind what is said is left out; a frame every 10 ms has 13 cepstra, their differences "
            "and the differences of these, and the mean of each cepstrum over the clip is taken away."
        )
        return (said,)

    @property
    def n_parameters(self) -> int:
        """Means, variances, weights, and how long a state lasts."""
        return self.n_learnt


class HiddenMarkovWords(BaseContender):
    """A hidden Markov model for each word."""

    name = "hidden-markov"
    title = "Hidden Markov models"
    family: Family = "generative"

    def declines(self, shape: Shape) -> str | None:
        """Where not exactly one class is right, or frames would not fit into memory."""
        form = shape.form
        assert isinstance(form, SoundForm)
        if not shape.task.one_class_a_row:
            return "There is one model for each word, and a clip is given to one of them."
        if 4 * FEATURES * FRAMES_A_SECOND * shape.n_rows * form.seconds(form.longest) > LARGEST_FRAMES:
            return f"The frames of {shape.n_rows:,} clips would not fit into memory."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One size on one holdout, then on five folds, then all sizes."""
        form = shape.form
        assert isinstance(form, SoundForm)

        def rung(candidates: int, inner: int, rows: int | None = None) -> Rung:
            usual = form.seconds((form.shortest * form.longest) ** 0.5)  # few clips are as long as the longest
            n_seconds = min(shape.n_rows, rows or shape.n_rows) * usual
            components = sum(size.states * size.components for size in SIZES[:candidates])
            scored = 1 + shape.n_outputs / 100  # learning looks at one word of a clip, scoring at all
            work = components * SECONDS_PER_COMPONENT * scored * (inner + 1)
            effort = Effort(candidates, inner_folds=inner, rows=rows)
            seconds = 0.2 + 0.02 * shape.n_outputs + n_seconds * (SECONDS_PER_SECOND + work)
            return Rung(effort, seconds, describe_effort(effort, "size of model", "sizes of model"))

        parts = [rung(1, 1, rows) for rows in row_steps(shape.n_rows)]
        return ladder_of([*parts, rung(1, 1), rung(1, 5), rung(3, 5), rung(len(SIZES), 5)])

    def fit(self, dataset: Dataset[Clips], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Frames once; the size on the inner splits, then chains of all clips, for every job."""
        if not jobs or context.begin().deadline.passed:
            return
        watch = Stopwatch()
        module = SpeechFrames(dataset.inputs.form.rate)
        rows = np.unique(np.concatenate([job.rows for job in jobs]))
        frames = frames_of(dataset.inputs.take(rows), module)
        shared = watch.seconds / len(jobs), watch.core_seconds / len(jobs)
        context = replace(context, seconds_left=context.seconds_left - watch.seconds)

        def fit_job(job: Job, running: Running) -> Fitted | None:
            own = frames.take(np.searchsorted(rows, job.rows))
            return self._fit_job(dataset, job, effort, running, module, own)

        for fitted in one_by_one(dataset, jobs, context, fit_job):
            fitted.fit_seconds += shared[0]
            fitted.core_seconds += shared[1]
            yield fitted

    def _fit_job(
        self, dataset: Dataset[Clips], job: Job, effort: Effort, running: Running, module: SpeechFrames, frames: Frames
    ) -> Fitted | None:
        watch = Stopwatch()
        task, y = dataset.task, dataset.y[job.rows]
        tested = inner_positions(job)
        trained = [positions(job, split.train) for split in job.inner]
        trials, sharp = [], []
        for candidate in _candidates(effort):
            scores = []
            for train, test in zip(trained, tested, strict=True):
                if running.is_over():
                    break
                chains = self._learn(frames, y, train, task, candidate)
                scores.append(_scores_of(ChainScores(chains), frames, test))
            if len(scores) < len(tested):
                break
            prior = [task.constant(y[train]) for train in trained]
            sharp.append(_sharpness(task, y, tested, scores))
            told = [task.link.apply(sharp[-1] * one + np.log(of)) for one, of in zip(scores, prior, strict=True)]
            trials.append(judge(dataset, job, told, candidate))
        if not trials:
            return None
        best = best_of(trials)
        chains = self._learn(frames, y, np.arange(len(y)), task, best.candidate)
        words = WordScores(module, ChainScores(chains))
        sharpness = sharp[trials.index(best)]
        return Fitted(
            contender=self.name,
            job=job,
            task=task,
            members=(HiddenMarkovMember(words, sharpness, task.constant(y), task, chains.n_parameters),),
            calibration=best.calibration,
            out_of_fold=best.out_of_fold,
            configuration=best.candidate.configuration,
            summary=best.candidate.words,
            tried=tuple(trial.to_json() for trial in trials),
            fit_seconds=watch.seconds,
            core_seconds=watch.core_seconds,
            cut_short=running.cut_short,
        )

    @staticmethod
    def _learn(frames: Frames, y: IntArray, rows: IntArray, task: Task, candidate: Candidate) -> Chains:
        sizes = Sizes(candidate.configuration["states"], candidate.configuration["components"])
        return learn_chains(frames.take(rows), y[rows], task.n_outputs, sizes)


def _candidates(effort: Effort) -> list[Candidate]:
    chosen = SIZES[: effort.candidates]
    if effort.configuration is not None:
        chosen = (Sizes(int(effort.configuration["states"]), int(effort.configuration["components"])),)
    return [
        Candidate(
            {"states": size.states, "components": size.components},
            f"{size.states} states in a word, {size.components} Gaussians in a state",
        )
        for size in chosen
    ]


def _scores_of(chains: ChainScores, frames: Frames, rows: IntArray) -> FloatArray:
    """Log probabilities per frame of some clips, float64 ``(n, words)``."""
    counts = frames.counts[rows]
    order = np.argsort(counts, kind="stable")
    found = np.empty((len(rows), chains.n_words))
    step = 256
    with torch.inference_mode():
        for start in range(0, len(rows), step):
            part = order[start : start + step]
            values, n = frames.padded(rows[part])
            each = chains(torch.from_numpy(values.transpose(0, 2, 1)).float().contiguous(), torch.from_numpy(n))
            found[part] = each.numpy() / n[:, None]
    return np.maximum(found, LEAST)


def _sharpness(task: Task, y: IntArray, tested: Sequence[IntArray], scores: Sequence[FloatArray]) -> float:
    """By what log probabilities per frame are multiplied, so that the log-loss of held-out clips is least."""
    from scipy.optimize import minimize_scalar

    truth, together = y[np.concatenate(tested)], np.concatenate(scores)

    def loss(logarithm: float) -> float:
        return float(task.row_losses(truth, task.link.apply(np.exp(logarithm) * together)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(100.0)), method="bounded", options={"xatol": 0.01})
    return float(np.exp(found.x))
