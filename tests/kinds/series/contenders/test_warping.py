"""Warped distances against the plain dynamic program, and what bending time must forgive."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from annvil.kinds.series.contenders.neighbours import Votes
from annvil.kinds.series.contenders.warping import Reshaped, diagonals, warped


def plain(a, b, band):
    """The recurrence cell by cell, float64; series ``(channels, time)``."""
    n = a.shape[1]
    cost = np.full((n + 1, n + 1), np.inf)
    cost[0, 0] = 0
    for i in range(n):
        for j in range(max(0, i - band), min(n, i + band + 1)):
            step = np.sum((a[:, i] - b[:, j]) ** 2)
            cost[i + 1, j + 1] = step + min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
    return cost[n, n]


@pytest.mark.parametrize("seed", range(12))
def test_distances_are_those_of_the_plain_dynamic_program(seed):
    rng = np.random.default_rng(seed)
    n_steps, channels = int(rng.integers(1, 25)), int(rng.integers(1, 4))
    band = int(rng.integers(0, n_steps + 2))
    a, b = (rng.normal(size=(n, channels, n_steps)).astype(np.float32) for n in (3, 4))
    expected = [[plain(x, y, band) for y in b.astype(float)] for x in a.astype(float)]
    np.testing.assert_allclose(warped(torch.from_numpy(a), torch.from_numpy(b), band), expected, rtol=1e-5, atol=1e-6)


def test_diagonals_have_every_cell_of_the_band_once():
    for n_steps in (1, 2, 7, 12):
        for band in (1, 3, n_steps):
            cells = [(i, s - i) for s, (low, high) in enumerate(diagonals(n_steps, band)) for i in range(low, high + 1)]
            expected = {(i, j) for i in range(n_steps) for j in range(n_steps) if abs(i - j) <= band}
            assert set(cells) == expected
            assert len(cells) == len(expected)


def test_a_late_bump_is_the_same_within_the_band_and_another_beyond():
    at = np.arange(60)
    bumps = torch.tensor(np.stack([np.exp(-(((at - place) / 3) ** 2)) for place in (20, 24, 40)]))[:, None].float()
    bent = warped(bumps[:1], bumps, 6)[0]
    straight = warped(bumps[:1], bumps, 0)[0]
    assert bent[0] == straight[0] == 0
    assert bent[1] < 0.01 * straight[1]
    assert bent[2] > 0.5 * straight[2]


def test_series_of_any_length_are_brought_to_one_on_straight_lines():
    reshaped = Reshaped(1, 5)
    values = torch.tensor([[[0.0, 2.0, 4.0, 9.0]], [[0.0, 1.0, 2.0, 3.0]], [[7.0, 0.0, 0.0, 0.0]]])
    found = reshaped(values, torch.tensor([3, 4, 1]))
    np.testing.assert_allclose(found[:, 0], [[0, 1, 2, 3, 4], [0, 0.75, 1.5, 2.25, 3], [7, 7, 7, 7, 7]], rtol=1e-6)
    same = Reshaped(1, 4)(values, torch.tensor([4, 4, 4]))
    assert torch.equal(same, values)


def test_the_nearest_decides_and_the_doubtful_is_left_near_the_frequencies():
    votes = Votes(np.eye(2)[[0, 1, 1]], np.array([0.4, 0.6]), 16)
    sure, torn = votes.outputs(np.array([[0.0, 5.0, 9.0], [1.0, 1.0, 3.0]]))
    np.testing.assert_allclose(sure, [1.04 / 1.1, 0.06 / 1.1], rtol=1e-6)
    np.testing.assert_allclose(torn, [1.04 / 2.1, 1.06 / 2.1], rtol=1e-6)
