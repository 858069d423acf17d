"""Which sources are taken for series, and which are left to others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from annvil.data.readers.opened import Opened
from annvil.kinds.registry import kind_of, read
from annvil.options import ReadOptions

rng = np.random.default_rng(0)
Y = np.arange(30) % 2


def kind(source: Any, **given: Any) -> str:
    return kind_of(Opened(source, ReadOptions(target="label"), given)).name


@pytest.mark.parametrize(
    ("source", "given", "name"),
    [
        ("sample:gun-point-like", {}, "series"),
        ("sample:iris", {}, "tables"),
        ((rng.normal(size=(30, 1, 50)), Y), {}, "series"),
        ((rng.normal(size=(30, 6, 128)), Y), {}, "series"),
        ((rng.normal(size=(30, 28, 28)), Y), {}, "pictures"),
        ((rng.normal(size=(30, 28, 28)), Y), {"channels": ("x",)}, "series"),
        ((rng.integers(0, 255, (30, 8, 128), dtype=np.uint8), Y), {}, "pictures"),
        (([*rng.normal(size=(30, 2, 40))], Y), {}, "series"),
        (([*rng.normal(size=(30, 28, 28))], Y), {}, "pictures"),
        ((rng.normal(size=(30, 4)), Y), {}, "tables"),
        ({"id": ["a"], "x": [1.0], "label": [0]}, {}, "tables"),
        ({"id": ["a"], "x": [1.0], "label": [0]}, {"series": "id"}, "series"),
        ({"t0": [1.0], "t1": [1.0], "label": [0]}, {"steps": ("t0", "t1")}, "series"),
    ],
)
def test_who_takes_it(source, given, name):
    assert kind(source, **given) == name


def test_the_sample_is_the_same_every_time():
    dataset = read("sample:gun-point-like")
    assert dataset.inputs.form.describe() == "1 channel × 150 steps"
    assert dataset.task.classes == ("draws", "points")
    assert np.bincount(dataset.y).tolist() == [75, 75]
    assert dataset.source.sha256 == read("sample:gun-point-like").source.sha256
