"""One spelling for one meaning."""

from __future__ import annotations

import datetime as dt
import doctest
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from annvil.data.readers import values as text
from annvil.data.readers.values import boolean_text, canonical_text


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(text).failed == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3.0, "3"),
        (3, "3"),
        (np.float32(0.5), "0.5"),
        (np.int8(-2), "-2"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (True, "true"),
        (np.False_, "false"),
        (None, ""),
        (math.nan, ""),
        (pd.NA, ""),
        (pd.NaT, ""),
        (" padded ", "padded"),
        ("None", ""),
        ("none", "none"),
        ("-", "-"),
        ("TRUE", "true"),
        ("1.50", "1.5"),
        ("007", "7"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("1e400", "1e400"),
        ("12a", "12a"),
        ("٣", "٣"),
        (b"bytes", "bytes"),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (2**70, str(2**70)),
    ],
)
def test_canonical_text(value: object, expected: str) -> None:
    assert canonical_text(value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_and_its_text_are_one_category(value: float) -> None:
    assert canonical_text(repr(value)) == canonical_text(value)
    assert float(canonical_text(value)) == value


@given(st.text(max_size=30))
def test_canonical_text_is_settled_after_one_step(value: str) -> None:
    once = canonical_text(value)
    assert canonical_text(once) == once


@pytest.mark.parametrize("value", ["Yes", "y", "TRUE", "t", "1", 1, 1.0, True, "on"])
def test_yes(value: object) -> None:
    assert boolean_text(value) == "true"


@pytest.mark.parametrize("value", ["No", "N", "false", "F", "0", 0, 0.0, False, np.bool_(False)])
def test_no(value: object) -> None:
    assert boolean_text(value) == "false"
