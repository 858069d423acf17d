"""Windows of one recording are found by their values and stay together; what only looks alike does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.kinds.registry import read
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.reading.overlaps import recordings


def cut(seed: int, n: int, length: int, step: int, channels: int) -> list[tuple[int, Any]]:
    """Windows of ``n`` recordings, each with the number of its recording."""
    rng = np.random.default_rng(seed)
    found = []
    for one in range(n):
        whole = rng.normal(size=(channels, length + step * int(rng.integers(1, 6))))
        found += [(one, whole[:, at : at + length]) for at in range(0, whole.shape[1] - length + 1, step)]
    return found


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 999), st.integers(2, 8), st.sampled_from([32, 40, 64, 100]), st.integers(1, 3), st.floats(0.05, 0.7)
)
def test_windows_that_overlap_are_one_recording(seed, n, length, channels, part):
    found = cut(seed, n, length, max(1, int(part * length)), channels)
    order = np.random.default_rng(seed).permutation(len(found))
    numbers = recordings(series_from_arrays([found[row][1] for row in order]))
    truth = np.array([found[row][0] for row in order])
    np.testing.assert_array_equal(numbers[:, None] == numbers, truth[:, None] == truth)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((30, 1, 64)),
        np.tile(np.repeat([0.0, 1.0], 32), (30, 1, 1)) + np.arange(30)[:, None, None],
        np.random.default_rng(0).normal(size=(300, 2, 64)),
        np.random.default_rng(0).normal(size=(30, 2, 10)),
        np.random.default_rng(0).normal(size=(30, 1, 64)).round(),
    ],
    ids=["nothing but zeros", "steps", "unrelated", "too short", "few different values"],
)
def test_what_is_only_alike_is_left_alone(values):
    assert len(np.unique(recordings(series_from_arrays(values)))) == len(values)


def test_pieces_inside_others_and_beginnings_alike():
    whole = np.random.default_rng(0).normal(size=(1, 300))
    other = np.concatenate([whole[:, :32], np.random.default_rng(1).normal(size=(1, 60))], axis=1)
    numbers = recordings(series_from_arrays([whole, whole[:, 100:164], whole[:, :80], other]))
    assert numbers.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("how", ["alone", "with groups"])
def test_they_stay_on_one_side_of_every_split(how):
    found = cut(0, 14, 64, 32, 2)
    answers = ["a" if one % 2 else "b" for one, _ in found]
    table = {f"{name}_{t}": [float(w[c, t]) for _, w in found] for c, name in enumerate("xy") for t in range(64)}
    more = {} if how == "alone" else {"person": [f"p{one // 2}" for one, _ in found]}
    dataset = read(table | {"label": answers} | more, target="label", steps=list(table), groups=next(iter(more), None))
    truth = np.array([one if how == "alone" else one // 2 for one, _ in found])
    np.testing.assert_array_equal(dataset.groups[:, None] == dataset.groups, truth[:, None] == truth)
    assert dataset.grouped == (how != "alone")


def test_one_recording_alone_is_no_group():
    whole = np.random.default_rng(0).normal(size=1000)
    windows = np.stack([whole[at : at + 64][None] for at in range(0, 936, 20)])
    dataset = read((windows, ["a" if row % 2 else "b" for row in range(len(windows))]), channels=["x"])
    assert len(np.unique(dataset.groups)) == len(windows)
