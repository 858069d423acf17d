"""Sequences of words by levels: against trying every sequence, and on words that follow each other plainly."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from annvil.kinds.sound.hidden_markov.chains import NO_WAY, viterbi
from annvil.kinds.sound.hidden_markov.word_loops import likeliest_words


def _by_trying(emissions, stay, most, charge):
    """The best of all sequences of one recording: each as one long chain of the chains of its words."""
    best = (NO_WAY, ())
    for many in range(1, most + 1):
        for words in product(range(len(stay)), repeat=many):
            chain = np.concatenate([emissions[:, word] for word in words], axis=1)[None]
            one = np.concatenate([stay[word] for word in words])
            if len(emissions) >= chain.shape[2]:
                score = float(viterbi(chain, np.array([len(emissions)]), one)[0][0]) - charge * many
                best = max(best, (score, words))
    return best


@pytest.mark.parametrize("charge", [0.0, 1.5, -2.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_is_likelier(seed: int, charge: float) -> None:
    rng = np.random.default_rng(seed)
    counts = np.array([9, 2, 5, 7])
    emissions = rng.normal(0, 2, (4, 9, 3, 2))
    stay = np.log(rng.uniform(0.2, 0.8, (3, 2)))
    found, scores = likeliest_words(emissions, counts, stay, 3, charge)
    for row, frames in enumerate(counts):
        score, words = _by_trying(emissions[row, :frames], stay, 3, charge)
        assert scores[row] == pytest.approx(score, abs=1e-9)
        assert tuple(found[row][found[row] >= 0]) == words


def test_words_that_follow_each_other_are_heard_in_their_order() -> None:
    words, states = [2, 0, 0, 1], 3
    emissions = np.full((1, 6 * len(words), 3, states), -20.0)
    for place, word in enumerate(words):
        for frame in range(6):
            emissions[0, 6 * place + frame, word, frame // 2] = 0.0
    found, _ = likeliest_words(emissions, np.array([24]), np.full((3, states), np.log(0.5)), 6)
    assert found.tolist() == [[*words, -1, -1]]


def test_too_few_frames_have_no_words() -> None:
    found, scores = likeliest_words(np.zeros((2, 4, 2, 3)), np.array([2, 0]), np.full((2, 3), np.log(0.5)), 2)
    assert (found == -1).all()
    assert (scores <= NO_WAY / 2).all()
