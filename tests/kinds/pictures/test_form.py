from __future__ import annotations

import numpy as np
import pytest

from annvil.kinds.pictures.form import LONGEST_SIDE, Survey, choose_form


def survey(heights, widths, colour=True):
    return Survey(np.array(heights), np.array(widths), colour)


@pytest.mark.parametrize(
    ("heights", "widths", "shape", "fit"),
    [
        ([28] * 5, [28] * 5, (28, 28), "pad"),
        ([33] * 5, [47] * 5, (33, 47), "pad"),  # one size is kept, odd or not
        ([200] * 5, [200] * 5, (128, 128), "pad"),
        ([200] * 5, [300] * 5, (88, 128), "crop"),  # 128 × 85.3, rounded: a little is cut
        ([64, 64, 80, 96, 96], [96, 96, 96, 96, 64], (88, 88), "pad"),  # one of five upright: a square of √(80 × 96)
        ([60, 61, 62, 63], [59, 62, 63, 60], (64, 64), "crop"),
        ([20, 22, 24], [20, 22, 24], (22, 22), "pad"),  # small sizes are not rounded
        ([10, 4000, 10], [4000, 10, 4000], (128, 128), "pad"),
        ([1] * 3, [1] * 3, (1, 1), "pad"),
        ([2, 2, 2], [2000, 2000, 2000], (1, 128), "pad"),
    ],
)
def test_sizes(heights, widths, shape, fit):
    form, said = choose_form(survey(heights, widths))
    assert (form.height, form.width) == shape
    assert form.fit == fit
    assert max(shape) <= LONGEST_SIDE
    assert said.endswith(".")


def test_what_is_said():
    _, same = choose_form(survey([28, 28], [30, 30]))
    assert same == "All pictures are 30 × 28 pixels and are used as they are."
    _, mixed = choose_form(survey([40, 80, 90], [60, 100, 90]), size=64)
    assert mixed == (
        "The pictures are 60 to 100 pixels wide and 40 to 90 high; they are scaled to 64 × 64 (as asked), their aspect "
        "kept, and padded with the mean colour of their border. 33% are smaller and are enlarged."
    )


def test_a_size_asked_for():
    form, _ = choose_form(survey([500] * 3, [500] * 3), size=(224, 200))
    assert form.shape == (224, 200, 3)
    assert form.describe() == "200 × 224 colour"
    assert choose_form(survey([500] * 3, [500] * 3, colour=False), size=9)[0].shape == (9, 9, 1)
