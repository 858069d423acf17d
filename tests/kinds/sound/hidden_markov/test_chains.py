"""Chains of states: against hand calculation, and against looking at every way through small chains."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from annvil.kinds.sound.hidden_markov.chains import (
    NO_WAY,
    backward,
    equal_parts,
    forward,
    leave,
    occupancy,
    viterbi,
)
from annvil.kinds.sound.hidden_markov.mixtures import Mixtures
from annvil.kinds.sound.hidden_markov.scores import ChainScores, running_maximum
from annvil.kinds.sound.hidden_markov.training import Chains


def ways(n_frames, n_states):
    """Every way through a chain: the state of each frame."""
    for path in product(range(n_states), repeat=n_frames):
        steps = np.diff(path)
        if path[0] == 0 and path[-1] == n_states - 1 and ((steps == 0) | (steps == 1)).all():
            yield path


def log_probability(path, emissions, stay):
    found, go = emissions[0, path[0]], leave(stay)
    for t in range(1, len(path)):
        found += (stay if path[t] == path[t - 1] else go)[path[t - 1]] + emissions[t, path[t]]
    return found + go[path[-1]]


@st.composite
def chains_and_frames(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_states, n_steps = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    counts = rng.integers(1, n_steps + 1, 4)
    return rng.normal(0, 3, (4, n_steps, n_states)), counts, np.log(rng.uniform(0.1, 0.9, n_states))


@given(chains_and_frames())
def test_the_best_way_is_the_best_of_all_ways(case):
    emissions, counts, stay = case
    scores, paths = viterbi(emissions, counts, stay)
    for row, count in enumerate(counts):
        found = {path: log_probability(path, emissions[row], stay) for path in ways(count, emissions.shape[2])}
        if not found:
            assert scores[row] < NO_WAY / 2
            continue
        np.testing.assert_allclose(scores[row], max(found.values()), atol=1e-9)
        np.testing.assert_allclose(found[tuple(paths[row, :count].tolist())], scores[row], atol=1e-9)
        assert (paths[row, count:] == -1).all()


@given(chains_and_frames())
def test_all_ways_together_are_the_sum_over_all_ways_and_states_are_occupied_by_their_shares(case):
    emissions, counts, stay = case
    _, totals = forward(emissions, counts, stay)
    behind = backward(emissions, counts, stay)
    shares = occupancy(emissions, counts, stay)
    for row, count in enumerate(counts):
        all_ways = list(ways(count, emissions.shape[2]))
        if not all_ways:
            assert totals[row] < NO_WAY / 2
            continue
        each = np.array([log_probability(path, emissions[row], stay) for path in all_ways])
        np.testing.assert_allclose(totals[row], np.logaddexp.reduce(each), atol=1e-9)
        np.testing.assert_allclose(emissions[row, 0, 0] + behind[row, 0, 0], totals[row], atol=1e-9)
        expected = np.zeros_like(shares[row])
        for path, share in zip(all_ways, np.exp(each - totals[row]), strict=True):
            expected[np.arange(count), path] += share
        np.testing.assert_allclose(shares[row], expected, atol=1e-9)


def test_two_states_and_three_frames_by_hand():
    """Densities .5 and .2 of each frame in the states, staying .6 and .3: ways 001 and 011.

    001: .5 × .6 × .5 × .4 × .2 × .7 = .0084; 011: .5 × .4 × .2 × .3 × .2 × .7 = .00168.
    """
    emissions = np.log(np.array([[[0.5, 0.2]] * 3]))
    stay, counts = np.log(np.array([0.6, 0.3])), np.array([3])
    best, path = viterbi(emissions, counts, stay)
    _, total = forward(emissions, counts, stay)
    assert np.exp(best[0]) == pytest.approx(0.0084)
    assert path[0].tolist() == [0, 0, 1]
    assert np.exp(total[0]) == pytest.approx(0.01008)
    assert occupancy(emissions, counts, stay)[0, 1, 0] == pytest.approx(0.0084 / 0.01008)


def test_equal_parts_differ_by_a_frame_at_most_and_end_in_the_last_state():
    counts = np.array([2, 3, 7, 10])
    path = equal_parts(counts, 10, 3)
    assert path[3].tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert path[2].tolist() == [0, 0, 0, 1, 1, 2, 2, -1, -1, -1]
    assert path[1].tolist()[:3] == [0, 1, 2]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40))
def test_a_running_maximum_is_one(values):
    x = torch.tensor(values, dtype=torch.float64)
    np.testing.assert_array_equal(running_maximum(x, 6).numpy(), np.maximum.accumulate(x.numpy()))
    expected = [max(values[max(0, t - 3) : t + 1]) for t in range(len(values))]
    np.testing.assert_array_equal(running_maximum(x, 2).numpy(), expected)


def random_chains(rng, n_words=3, n_states=3, n_components=2, n_features=4):
    shape = (n_words * n_states, n_components, n_features)
    weights = rng.dirichlet(np.ones(n_components), n_words * n_states)
    mixtures = Mixtures(rng.normal(size=shape), rng.uniform(0.5, 2, shape), np.log(weights))
    return Chains(mixtures, np.log(rng.uniform(0.1, 0.9, (n_words, n_states))))


def test_densities_are_those_of_scipy():
    from scipy.stats import norm

    rng = np.random.default_rng(0)
    mixtures = random_chains(rng).mixtures
    frames = rng.normal(size=(5, 4))
    each = norm.logpdf(frames[:, None, None], mixtures.means, np.sqrt(mixtures.variances)).sum(axis=3)
    expected = np.logaddexp.reduce(each + mixtures.weights, axis=2)
    np.testing.assert_allclose(mixtures.densities(frames), expected, atol=1e-9)
    split = mixtures.split()
    np.testing.assert_allclose(split.means.reshape(9, 2, 2, 4).mean(axis=1), mixtures.means, atol=1e-12)
    np.testing.assert_allclose(np.exp(split.weights).sum(axis=1), 1.0)


def test_the_closed_form_is_the_walk_frame_by_frame():
    """All words at once by running sums and maxima, in float32 densities, against `viterbi` word after word."""
    rng = np.random.default_rng(1)
    chains, counts = random_chains(rng), np.array([1, 2, 3, 9, 30])
    frames = rng.normal(size=(5, 30, 4))
    frames[np.arange(30) >= counts[:, None]] = 1e3  # behind the end, which is never looked at
    found = ChainScores(chains)(torch.from_numpy(frames.transpose(0, 2, 1)).float(), torch.from_numpy(counts))
    emissions = chains.mixtures.densities(frames.reshape(-1, 4)).reshape(5, 30, 3, 3)
    expected = np.stack([viterbi(emissions[:, :, w], counts, chains.stay[w])[0] for w in range(3)], axis=1)
    np.testing.assert_allclose(found[2:].numpy(), expected[2:], atol=1e-3)
    assert (found[:2].numpy() < NO_WAY / 2).all()
