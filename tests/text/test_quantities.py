"""Quantities as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from annvil.tasks.metric_index import METRICS
from annvil.text import quantities as wording
from annvil.text.phrases import listed
from annvil.text.safe import clean


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (0.00038, "0.38 ms"),
        (0.05e-3, "0.05 ms"),
        (0.35, "350 ms"),
        (0.9996, "1 s"),
        (2.13, "2.1 s"),
        (48.2, "48 s"),
        (59.6, "1 min"),
        (96, "1 min 36 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_seconds(value, text):
    assert wording.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12 bytes"),
        (999.6, "1 kB"),
        (9870, "9.9 kB"),
        (312_480, "312 kB"),
        (3_310_000, "3.3 MB"),
        (2.5e9, "2.5 GB"),
    ],
)
def test_size(value, text):
    assert wording.size(value) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.0, "0%"),
        (0.0004, "less than 0.1%"),
        (0.0033, "0.3%"),
        (0.094, "9%"),
        (0.5, "50%"),
        (0.9931, "99.3%"),
        (0.99951, "more than 99.9%"),
        (1.0, "100%"),
    ],
)
def test_percent_never_claims_certainty_it_does_not_have(part, text):
    assert wording.percent(part) == text


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        (0.8731, 0.0213, "0.873 ± 0.021"),
        (0.8731, 0.00213, "0.8731 ± 0.0021"),
        (0.5, 0.0, "0.500 ± 0.000"),
        (-0.0002, 0.03, "0.000 ± 0.030"),
        (28_450.4, 1_664.2, "28,450 ± 1,660"),
        (14.26, 1.31, "14.3 ± 1.3"),
        (-0.31, 0.12, "−0.310 ± 0.120"),
    ],
)
def test_score_and_spread_are_rounded_alike(mean, spread, text):
    assert wording.with_spread(mean, spread) == text


def test_differences_carry_their_unit():
    assert wording.told(METRICS["roc_auc"], -0.0033, signed=True) == "−0.003"
    assert wording.told(METRICS["roc_auc"], 0.01) == "0.01"
    assert wording.told(METRICS["rmse"], 500.0) == "500"


def test_small_differences_have_powers_of_ten():
    assert wording.tiny(2.4e-7) == "2.4 × 10⁻⁷"
    assert wording.tiny(0.0123) == "0.012"
    assert wording.tiny(0.0) == "0"


def test_long_lists_are_cut_with_a_count():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdef"), 4) == "a, b, c and 3 more"


def test_characters_that_hide_or_turn_text_become_visible():
    assert clean("a\u202eb\x00c\ud800") == "a\ufffdb\ufffdc\ufffd"
    assert clean("Ünïcödé, 日本, 😀\n") == "Ünïcödé, 日本, 😀\n"


@given(st.floats(1e-4, 9e8), st.sampled_from([1, -1]), st.sampled_from([4, 6]))
def test_a_value_is_told_without_exponent_and_with_separators_from_five_digits(size, sign, significant):
    text = wording.number(sign * size, significant)
    read = float(text.replace(",", ""))
    assert read == pytest.approx(sign * size, rel=10.0 ** (1 - significant))
    assert "e" not in text
    assert ("," in text) == (abs(read) >= 10_000)
