"""Chains that are learnt: from what a known chain gave off its parameters are found again."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.kinds.sound.hidden_markov.speech_frames import Frames
from annvil.kinds.sound.hidden_markov.training import Sizes, learn_chains

STAY = np.array([0.6, 0.8, 0.7])
MEANS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
SPREAD = np.array([0.5, 1.0, 0.7])


def drawn(rng, means, n):
    """Clips of a chain: frames of all, one behind the other, and how many each has."""
    clips = []
    for _ in range(n):
        lengths = rng.geometric(1 - STAY)
        states = np.repeat(np.arange(3), lengths)
        clips.append(means[states] + SPREAD[states, None] * rng.normal(size=(len(states), 2)))
    return clips


def together(clips):
    starts = np.concatenate([[0], np.cumsum([len(one) for one in clips])])
    return Frames(np.concatenate(clips).astype(np.float32), starts)


@pytest.fixture(scope="module")
def learnt():
    rng = np.random.default_rng(0)
    clips = drawn(rng, MEANS, 300) + drawn(rng, MEANS[::-1], 300)
    return learn_chains(together(clips), np.repeat([0, 1], 300), 2, Sizes(3, 1))


def test_means_spread_and_staying_of_a_known_chain_are_found(learnt):
    np.testing.assert_allclose(learnt.mixtures.means[:3, 0], MEANS, atol=0.2)
    np.testing.assert_allclose(learnt.mixtures.means[3:, 0], MEANS[::-1], atol=0.2)
    np.testing.assert_allclose(np.sqrt(learnt.mixtures.variances[:3, 0]).mean(axis=1), SPREAD, rtol=0.15)
    np.testing.assert_allclose(np.exp(learnt.stay[0]), STAY, atol=0.05)


def test_a_state_that_gives_off_two_clouds_gets_a_component_for_each():
    rng = np.random.default_rng(1)
    clips = [rng.normal(size=(20, 1)) * 0.3 + rng.choice([-3.0, 3.0], (20, 1)) for _ in range(50)]
    chains = learn_chains(together(clips), np.zeros(50, dtype=np.int64), 1, Sizes(1, 2))
    np.testing.assert_allclose(np.sort(chains.mixtures.means[0, :, 0]), [-3, 3], atol=0.2)
    np.testing.assert_allclose(np.exp(chains.mixtures.weights[0]), [0.5, 0.5], atol=0.05)


@pytest.mark.parametrize("counts", [[1, 1, 1], [2, 40, 40]])
def test_clips_too_short_for_the_chain_and_words_without_clips_leave_finite_numbers(counts):
    rng = np.random.default_rng(2)
    frames = together([rng.normal(size=(n, 2)) for n in counts])
    chains = learn_chains(frames, np.array([0, 1, 1]), 3, Sizes(3, 2))
    assert chains.stay.shape == (3, 3)
    assert all(np.isfinite(part).all() for part in (chains.stay, chains.mixtures.means, chains.mixtures.quadratic()[2]))


def test_silence_has_a_spread_too():
    chains = learn_chains(together([np.zeros((10, 2))] * 4), np.array([0, 0, 1, 1]), 2, Sizes(3, 2))
    assert np.isfinite(chains.mixtures.quadratic()[2]).all()
