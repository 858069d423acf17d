"""The likeliest sequence of words in a recording of several: chains of words, one behind the other, level by level.

Level building (Rabiner and Levinson 1985, "A speaker-independent, syntax-directed, connected word recognition system
based on hidden Markov models and level building"):
of the first ``k`` words only the best that end in each frame are kept, with their last word and the frame it began in;
the next level goes on from these. Any word may follow any other, without quiet between them, and each word is charged
for, because more words always fit frames better.
"""

from __future__ import annotations

import numpy as np

from annvil.kinds.sound.hidden_markov.chains import NO_WAY, leave
from annvil.tasks.base import FloatArray, IntArray
from annvil.tasks.transcription_metrics import NOTHING


def likeliest_words(
    emissions: FloatArray, counts: IntArray, stay: FloatArray, most: int, charge: float = 0.0
) -> tuple[IntArray, FloatArray]:
    """Words in their order int64 ``(n, most)``, -1 behind the last, and the log probability of their best way ``(n,)``.

    Log densities of frames ``emissions`` are ``(n, time, words, states)``, frames of each recording ``counts`` are
    ``(n,)``, log probabilities of staying ``(words, states)``; ``charge`` (nats) is taken off for each word. Recordings
    with fewer frames than a chain has states have no words, and about `NO_WAY`.
    """
    n, n_steps, n_words, n_states = emissions.shape
    go = leave(stay)
    score = np.full((n, most, n_words, n_states), NO_WAY)
    begun = np.zeros(score.shape, dtype=np.int64)
    left = np.full((n_steps, n, most), NO_WAY)
    word, since = np.zeros((2, n_steps, n, most), dtype=np.int64)
    for t in range(n_steps):
        entered, from_frame = np.full(score.shape, NO_WAY), np.full(score.shape, t)
        if t == 0:
            entered[:, 0, :, 0] = -charge
        else:
            entered[:, 1:, :, 0] = left[t - 1, :, :-1, None] - charge
        entered[..., 1:] = score[..., :-1] + go[:, :-1]
        from_frame[..., 1:] = begun[..., :-1]
        stayed = score + stay
        begun = np.where(entered > stayed, from_frame, begun)
        score = np.maximum(entered, stayed) + emissions[:, t, None]
        leaving = score[..., -1] + go[:, -1]
        word[t] = leaving.argmax(axis=2)
        left[t] = leaving.max(axis=2)
        since[t] = np.take_along_axis(begun[..., -1], word[t][:, :, None], axis=2)[:, :, 0]
    found = np.full((n, most), NOTHING, dtype=np.int64)
    best = np.full(n, NO_WAY)
    for row, frames in enumerate(counts):
        t = int(frames) - 1
        level = int(left[t, row].argmax()) if t >= 0 else 0
        if t < 0 or left[t, row, level] < NO_WAY / 2:
            continue
        best[row] = left[t, row, level]
        for place in range(level, -1, -1):
            found[row, place] = word[t, row, place]
            t = int(since[t, row, place]) - 1
    return found, best
