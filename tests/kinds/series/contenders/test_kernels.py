"""Hydra and MiniRocket against their definitions written out, and what must not change what they count."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge

from annvil.kinds.series.contenders import hydra as hydra_room
from annvil.kinds.series.contenders.hydra import Hydra
from annvil.kinds.series.contenders.kernel_models import _sharpness, hydra, minirocket
from annvil.kinds.series.contenders.kernels import LENGTH, MiniRocket
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.models.ridge import Ridge
from annvil.tasks.union import make_task

MAKERS = {"hydra": lambda channels, length: Hydra(channels, length, 8, 3)}
MAKERS["minirocket"] = lambda channels, length: MiniRocket(channels, length, 504, 3)

both = pytest.mark.parametrize("name", MAKERS)


def made(name, lengths, channels=2, seed=0):
    """Kernels that have looked at random walks of these lengths, and the walks."""
    rng = np.random.default_rng(seed)
    series = series_from_arrays([np.cumsum(rng.normal(size=(channels, n)), axis=1) for n in lengths])
    values, lengths = map(torch.from_numpy, series.padded())
    kernels = MAKERS[name](channels, int(np.median(lengths)))
    kernels.grid.input.look_at(values, lengths)
    kernels.look_at(values, lengths, 5)
    return kernels, series


def counted(kernels, series):
    with torch.inference_mode():
        return kernels(*map(torch.from_numpy, series.padded())).numpy()


def on_grid(kernels, values):
    """Whole numbers of one series ``(channels, time)``."""
    scaled = (values - kernels.grid.input.mean.numpy()) / kernels.grid.input.deviation.numpy()
    return np.round(np.clip(scaled, -32, 32) * kernels.grid.per_unit).astype(np.float64)


def answers_at(x, weights, dilation):
    """Of one kernel ``(channels, LENGTH)`` at every step, zeros around; by hand."""
    n_steps, found = x.shape[1], np.zeros(x.shape[1])
    for t in range(n_steps):
        for tap in range(LENGTH):
            at = t + (tap - LENGTH // 2) * dilation
            if 0 <= at < n_steps:
                found[t] += weights[:, tap] @ x[:, at]
    return found


def minirocket_by_hand(kernels, x):
    found = []
    n_steps, half_length = x.shape[1], LENGTH // 2
    for place, dilation in enumerate(kernels.dilations):
        weights = kernels.get_buffer(f"weights_{place}").numpy().reshape(2, 42, len(x), LENGTH)
        thresholds = kernels.get_buffer(f"thresholds_{place}").numpy()
        for half in range(2):
            at = np.arange(n_steps)
            inside = (at >= half_length * dilation) & (at < n_steps - half_length * dilation)
            seen = inside if half and inside.any() else np.ones(n_steps, bool)
            answers = [answers_at(x, kernel, dilation)[seen] for kernel in weights[half]]
            for k in range(kernels.counts[place]):
                found += [np.mean(one > thresholds[half, row, k]) for row, one in enumerate(answers)]
    return np.array(found)


def hydra_by_hand(kernels, x):
    found = []
    unit = kernels.length / (kernels.grid.per_unit * Hydra.WEIGHT)
    for place in range(2 * len(kernels.dilations)):
        weights = kernels.get_buffer(f"weights_{place}").numpy()
        looked = np.diff(x, axis=1) if place % 2 else x
        strong, often = np.zeros(weights.shape[:2]), np.zeros(weights.shape[:2])
        for group, channels in enumerate(kernels.get_buffer(f"channels_{place}").numpy()):
            added = (channels @ looked)[None]
            answers = np.array([answers_at(added, one[None], kernels.dilations[place // 2]) for one in weights[group]])
            strong[group] = (answers * (answers == answers.max(axis=0))).sum(axis=1)
            often[group] = (answers == answers.min(axis=0)).sum(axis=1)
        steps = max(1, looked.shape[1])
        found += [
            np.sqrt(np.maximum(strong / steps * unit, 0)).ravel(),
            np.sqrt(often / steps * kernels.length).ravel(),
        ]
    return np.concatenate(found)


BY_HAND = {"hydra": hydra_by_hand, "minirocket": minirocket_by_hand}


@both
@pytest.mark.parametrize("channels", [1, 3])
def test_they_count_what_the_definition_says(name, channels):
    kernels, series = made(name, [20, 33, 26, 7], channels)
    for row, found in enumerate(counted(kernels, series)):
        expected = BY_HAND[name](kernels, on_grid(kernels, series.one(row)))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@both
@pytest.mark.parametrize("seed", range(4))
def test_counts_are_the_same_to_the_bit_alone_and_in_company(name, seed):
    lengths = np.random.default_rng(seed).integers(1, 120, 7)
    kernels, series = made(name, lengths, 3, seed)
    together = counted(kernels, series)
    alone = np.concatenate([counted(kernels, series.take(np.array([row]))) for row in range(7)])
    np.testing.assert_allclose(alone, together, rtol=1e-6, atol=0 if name == "minirocket" else 1e-6)
    assert together.shape == (7, kernels.n_features)
    assert np.isfinite(together).all()


@pytest.mark.parametrize("piece", [1, 7, 40])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_long_series_in_pieces_counts_as_whole(channels, piece, monkeypatch):
    """With ends of series, and of kernels, anywhere in a piece."""
    kernels, series = made("hydra", [90, 211, 13, 120], channels)
    monkeypatch.setattr(hydra_room, "PIECE", piece * kernels.groups * kernels.GROUP)
    with torch.inference_mode():
        found = kernels.in_pieces(*map(torch.from_numpy, series.padded())).numpy()
    expected = counted(kernels, series)
    strong = np.arange(expected.shape[1]) // (kernels.groups * kernels.GROUP) % 2 == 0
    np.testing.assert_array_equal(found[:, ~strong], expected[:, ~strong])
    np.testing.assert_allclose(found[:, strong], expected[:, strong], rtol=1e-5)


def test_kernels_are_whole_numbers_that_add_up_to_nothing_and_sums_fit_a_float32():
    for channels in (1, 2, 6, 40):
        net, rocket = Hydra(channels, 100, 16, 0), MiniRocket(channels, 100, 840, 0)
        for place in range(2 * len(net.dilations)):
            weights, chosen = (net.get_buffer(f"{what}_{place}").numpy() for what in ("weights", "channels"))
            assert (weights == np.round(weights)).all()
            assert not weights.sum(axis=2).any()
            largest = 2 * 32 * net.grid.per_unit * np.abs(weights).sum(axis=2).max() * chosen.sum(axis=1).max()
            assert largest <= 2**24
        for place in range(len(rocket.dilations)):
            weights = rocket.get_buffer(f"weights_{place}").numpy()
            assert not weights.sum(axis=2).any()
            assert np.abs(weights).sum(axis=2).max() * 32 * rocket.grid.per_unit <= 2**24


def test_dilations_reach_as_far_as_the_series_are_long():
    for length in (1, 9, 50, 1000, 10**6):
        for kernels in (Hydra(1, length, 2, 0), MiniRocket(1, length, 840, 0)):
            assert kernels.dilations[0] == 1
            assert kernels.dilations == sorted(set(kernels.dilations))
            assert kernels.dilations[-1] == 1 or 8 * kernels.dilations[-1] <= length - 1
        assert sum(MiniRocket(1, length, 840, 0).counts) == 10
    assert Hydra(1, 150, 64, 0).n_features == Hydra.features(64, 150) == 5 * 2 * 32 * 8 * 2


@pytest.mark.parametrize("n_features", [5, 60])
@pytest.mark.parametrize("rows", [slice(None), slice(3, 21)])
def test_ridge_is_scikit_learns(n_features, rows):
    rng = np.random.default_rng(n_features)
    features, answers = rng.normal(1, 2, (30, n_features)).astype(np.float32), rng.normal(size=(30, 3))
    chosen = np.arange(30)[rows]
    centred = features[chosen] - features[chosen].mean(axis=0, dtype=np.float64)
    size = np.square(centred).sum() / len(chosen)
    ridge = Ridge(features, answers)
    for penalty, fit in zip((0.5, 0.01), ridge.fit(chosen, (0.5, 0.01)), strict=True):
        expected = SklearnRidge(alpha=penalty * size).fit(features[chosen].astype(np.float64), answers[chosen])
        np.testing.assert_allclose(fit.slopes, expected.coef_.T, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(fit.intercepts, expected.intercept_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("factor", [1.0, 4.0, 16.0])
def test_probabilities_are_as_sharp_as_the_scores_deserve(factor):
    """Classes drawn by the softmax of so many times the scores: that factor is found, give or take its own chance."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4_000, 3))
    y = (factor * scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    task = make_task("multiclass", "y", ("a", "b", "c"))
    halves = [np.arange(2_000), np.arange(2_000, 4_000)]
    assert _sharpness(task, y, halves, [scores[rows] for rows in halves]) == pytest.approx(factor, rel=0.15)


def test_time_and_memory_are_planned_for_long_series():
    for kernels in (Hydra(1, 10**6, 16, 0), MiniRocket(1, 10**6, 840, 0)):
        assert 1 <= kernels.at_once * 8 * 10**6 < 2**27
    assert {hydra().name, minirocket().name} == {"hydra", "minirocket"}
    assert math.isclose(Hydra(1, 50, 4, 0).grid.per_unit, 2.0 ** (24 - math.ceil(math.log2(32 * 256))))
