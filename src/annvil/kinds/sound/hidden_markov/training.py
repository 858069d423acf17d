"""Learning the chain of a word: ways and densities by turns, from equal parts on.

Viterbi training (Juang and Rabiner 1990, "The segmental K-means algorithm for estimating parameters of hidden Markov
models"): frames belong to the states of the likeliest way; inside a state the components of its mixture share frames by
their densities (EM). Mixtures begin with one component and are split in two. At the end frames belong to all states by
the share of all ways that are there (Baum and Welch; Rabiner 1989, section III.C). Variances are drawn towards those of
all frames, as if a component had seen `PRIOR` more frames of that spread, and never fall below a part of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annvil.kinds.sound.hidden_markov.chains import equal_parts, occupancy, viterbi
from annvil.kinds.sound.hidden_markov.mixtures import Mixtures, log_sum
from annvil.kinds.sound.hidden_markov.speech_frames import Frames
from annvil.tasks.base import FloatArray, IntArray

ROUNDS = 4
"""Ways and densities by turns, for each number of components (measured: later ones move few frames)."""

ALL_WAYS = 3
"""Rounds behind these, in which frames belong to states by the shares of all ways (measured on spoken digits of new
speakers: .874 instead of .870 right, for twice the time)."""

FLOOR = 0.05
"""Least variance, as a part of that of all frames (assumed; .01 to .1 make no difference of note)."""

PRIOR = 10.0
"""Frames that the variance of all frames counts for in each component."""

SMALLEST_SPREAD = 1e-4
"""Added to the variance of all frames, which is 0 where all clips are silent; cepstra of speech have 1 and more."""

MOST_CLIPS = 2_000
"""Of one word (assumed: a chain has some thousand numbers, and these are about 80,000 frames)."""

LONGEST_STAY = 0.98
"""Highest probability of staying in a state: 50 frames on average, half a second (assumed)."""


@dataclass(frozen=True)
class Sizes:
    """States of each chain, and components of each mixture: a power of 2."""

    states: int
    components: int


@dataclass(frozen=True)
class Chains:
    """One chain of ``states`` states for each word.

    Attributes
    ----------
    mixtures : of all states, word after word: ``words × states`` of them
    stay : log probability of staying ``(words, states)``
    """

    mixtures: Mixtures
    stay: FloatArray

    @property
    def n_parameters(self) -> int:
        """Learnt numbers."""
        return self.mixtures.n_parameters + self.stay.size


def learn_chains(frames: Frames, words: IntArray, n_words: int, sizes: Sizes) -> Chains:
    """Chains of all words, from clips of which ``words`` int64 ``(n,)`` says the word.

    A word of which there is no clip of `Sizes.states` frames at least gets the chain of all clips together. Of more
    than `MOST_CLIPS` clips of a word, so many are used, evenly spaced.
    """
    counts = frames.counts
    spread = frames.values.var(axis=0, dtype=np.float64) + SMALLEST_SPREAD
    long_enough = counts >= sizes.states
    if not long_enough.any():  # nothing can be learnt of them: chains that say the same of all words
        frames, words, long_enough = _repeated(frames, sizes.states), words[:1], np.ones(1, dtype=bool)
        counts = frames.counts
    chosen = []
    for word in range(n_words):
        rows = np.flatnonzero(long_enough & (words == word))
        if not len(rows):
            rows = np.flatnonzero(long_enough)
        if len(rows) > MOST_CLIPS:
            rows = rows[np.linspace(0, len(rows) - 1, MOST_CLIPS).astype(np.int64)]
        chosen.append(rows)
    return _learn(frames, chosen, spread, sizes)


def _repeated(frames: Frames, times: int) -> Frames:
    """The first clip with each of its frames so many times."""
    first = np.repeat(frames.values[: frames.starts[1]], times, axis=0)
    return Frames(first, np.array([0, len(first)]))


def _learn(frames: Frames, clips: Sequence[IntArray], spread: FloatArray, sizes: Sizes) -> Chains:
    """Chains of words, each with its clips; ways are looked for in those of all words together."""
    counts = frames.counts[np.concatenate(clips)]
    word = np.repeat(np.arange(len(clips)), [len(one) for one in clips])
    inside = np.arange(int(counts.max())) < counts[:, None]
    values = [frames.of(one) for one in clips]
    ends = np.cumsum([len(one) for one in values])[:-1]
    states = np.split(equal_parts(counts, inside.shape[1], sizes.states)[inside], ends)
    occupied = [_one_hot(of, sizes.states) for of in states]
    mixtures = [_estimate(one, of[:, :, None], spread) for one, of in zip(values, occupied, strict=True)]
    while True:
        last = mixtures[0].weights.shape[1] >= sizes.components
        for number in range(ROUNDS + (ALL_WAYS if last else 0)):
            shares = [mixture.components(one) for mixture, one in zip(mixtures, values, strict=True)]
            densities = [log_sum(one) for one in shares]
            emissions = np.zeros((*inside.shape, sizes.states))
            emissions[inside] = np.concatenate(densities)
            stay = np.stack([_staying(of, len(one)) for of, one in zip(occupied, clips, strict=True)])
            if number < ROUNDS:
                _, path = viterbi(emissions, counts, stay[word])
                occupied = [_one_hot(of, sizes.states) for of in np.split(path[inside], ends)]
            else:
                occupied = np.split(occupancy(emissions, counts, stay[word])[inside], ends)
            for place, of in enumerate(occupied):
                share = np.exp(shares[place] - densities[place][:, :, None])
                mixtures[place] = _estimate(values[place], share * of[:, :, None], spread)
        if last:
            stay = np.stack([_staying(of, len(one)) for of, one in zip(occupied, clips, strict=True)])
            return Chains(_together(mixtures), stay)
        mixtures = [mixture.split() for mixture in mixtures]


def _estimate(frames: FloatArray, responsible: FloatArray, spread: FloatArray) -> Mixtures:
    """Mixtures of frames ``(m, features)``, whose components they belong to by ``responsible`` ``(m, n, k)``."""
    m, n, k = responsible.shape
    shares = responsible.reshape(m, n * k)
    many = shares.sum(axis=0)[:, None]
    means = shares.T @ frames / np.maximum(many, 1e-9)
    squares = shares.T @ np.square(frames) - many * np.square(means)
    variances = np.maximum((squares + PRIOR * spread) / (many + PRIOR), FLOOR * spread)
    weights = many.reshape(n, k) + 1.0
    shape = (n, k, frames.shape[1])
    return Mixtures(
        means.reshape(shape), variances.reshape(shape), np.log(weights / weights.sum(axis=1, keepdims=True))
    )


def _staying(occupied: FloatArray, n: int) -> FloatArray:
    """Log probability of staying in each state, of ``n`` ways whose frames were in them with these probabilities
    ``(m, states)``: all but the last frame of a way in a state stay."""
    many = occupied.sum(axis=0) + 1.0
    return np.asarray(np.log(np.minimum(np.maximum(1.0 - n / many, 0.02), LONGEST_STAY)))


def _one_hot(states: IntArray, n_states: int) -> FloatArray:
    return np.asarray(np.eye(n_states)[states])


def _together(mixtures: Sequence[Mixtures]) -> Mixtures:
    return Mixtures(
        *(
            np.concatenate(parts)
            for parts in zip(*((one.means, one.variances, one.weights) for one in mixtures), strict=True)
        )
    )
