"""Pictures as JSON may hold them are the pictures that files and arrays hold."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator
from tests.pictures import drawn, encoded

from annvil.errors import DataError
from annvil.kinds.pictures.form import PictureForm

FORM = PictureForm(6, 8, 3)
SCHEMA = Draft202012Validator(FORM.json_schema())


def url(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def pixels(rows, form=FORM):
    return form.conform(json.loads(json.dumps(rows))).inputs.pixels()


def test_the_schema_is_one():
    for form in (FORM, PictureForm(6, 8, 1, low=0, high=1)):
        Draft202012Validator.check_schema(form.json_schema())


@pytest.mark.parametrize("size", [(6, 8, 3), (30, 20, 3), (5, 5, 4), (9, 9, 1), (9, 9), (1, 3), (3, 8, 3)])
def test_every_way_of_writing_a_picture_gives_its_pixels(size):
    picture = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    rows = {"image": picture.tolist()}
    assert SCHEMA.is_valid(rows)
    whole = picture if picture.ndim == 3 else picture[..., None]
    expected = FORM.conform(whole[None]).inputs.pixels()
    np.testing.assert_array_equal(pixels(rows), expected)
    np.testing.assert_array_equal(pixels([rows, rows]), np.concatenate([expected, expected]))
    np.testing.assert_array_equal(FORM.conform(FORM.conform(rows).inputs.raw_row(0)).inputs.pixels(), expected)


def test_the_content_of_a_file_may_be_a_data_url():
    picture = drawn(0, 30, 40)
    rows = {"image": url(encoded(picture))}
    assert SCHEMA.is_valid(rows)
    expected = FORM.conform(encoded(picture)).inputs.pixels()
    for source in (rows, [rows], rows["image"], [rows["image"]]):
        np.testing.assert_array_equal(pixels(source), expected)


def test_values_with_a_range_of_their_own_are_scaled_as_in_training():
    form = PictureForm(2, 2, 1, low=0, high=16)
    rows = {"image": [[0, 4.5], [8, 16]]}
    assert Draft202012Validator(form.json_schema()).is_valid(rows)
    assert pixels(rows, form).ravel().tolist() == [0, 72, 128, 255]


PIXEL = st.integers(0, 255)
SIDES = st.integers(1, 5)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.sampled_from([0, 1, 3, 4]), st.data())
def test_what_the_schema_allows_is_taken(height, width, channels, data):
    pixel = PIXEL if channels == 0 else st.lists(PIXEL, min_size=channels, max_size=channels)
    row = st.lists(pixel, min_size=width, max_size=width)
    rows = {"image": data.draw(st.lists(row, min_size=height, max_size=height))}
    assert SCHEMA.is_valid(rows)
    assert pixels(rows).shape == (1, 6, 8, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[0, 256]], "outside 0 to 255"),
        ([[0, -1]], "outside 0 to 255"),
        ([[[1, 2]]], "1, 3 or 4 channels"),
        ("data:text/plain;base64,aGVsbG8=", "as a data URL: it must begin"),
        ("data:image/png,aGVsbG8=", "as a data URL: it must begin"),
    ],
)
def test_what_the_schema_refuses_is_refused(image, message):
    assert not SCHEMA.is_valid({"image": image})
    with pytest.raises(DataError, match=message):
        FORM.conform({"image": image})


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[0, 1], [2]], "all of one length"),
        ("data:image/png;base64,a*b", "is not a picture as a data URL"),
        (url(b"text"), "holds text, not a picture"),
    ],
)
def test_what_no_schema_can_say_is_refused_by_the_reader(image, message):
    with pytest.raises(DataError, match=message):
        FORM.conform({"image": image})


@pytest.mark.parametrize("rows", [{}, {"image": None}, {"photo": [[0]]}, {"image": [[0]], "more": 1}, {"image": []}])
def test_what_is_no_picture_is_refused_by_the_schema(rows):
    assert not SCHEMA.is_valid(rows)
