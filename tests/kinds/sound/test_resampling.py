"""Another rate: what can be heard stays, what cannot be told is not folded back."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.kinds.sound.reading import resampling
from annvil.kinds.sound.reading.resampling import polyphase, resampled

RATES = [(44_100, 16_000), (8_000, 16_000), (48_000, 8_000), (22_050, 16_000), (11_025, 8_000), (16_000, 7_919)]


def sine(pitch, rate, seconds=0.5):
    return np.sin(2 * np.pi * pitch * np.arange(int(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize(("rate", "wanted"), RATES)
@pytest.mark.parametrize("own", [True, False])
def test_a_tone_stays_the_same_tone(rate, wanted, own):
    pitch = 0.35 * min(rate, wanted)
    made = (polyphase if own else resampled)(sine(pitch, rate), rate, wanted)
    truth = sine(pitch, wanted)
    assert len(made) == pytest.approx(len(truth), abs=1)
    n = min(len(made), len(truth))
    middle = slice(n // 5, -n // 5)
    np.testing.assert_allclose(made[:n][middle], truth[:n][middle], atol=3e-3)


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (48_000, 8_000), (16_000, 7_919)])
@pytest.mark.parametrize("own", [True, False])
def test_what_lies_above_the_band_is_gone(rate, wanted, own):
    made = (polyphase if own else resampled)(sine(0.62 * wanted, rate), rate, wanted)
    assert np.abs(made[len(made) // 5 : -len(made) // 5]).max() < 2e-3


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 400), rate=st.integers(1_000, 768_000), wanted=st.integers(2_000, 96_000), own=st.booleans())
def test_any_length_and_any_rates_give_something_finite(n, rate, wanted, own):
    sound = np.random.default_rng(n).uniform(-1, 1, n).astype(np.float32)
    made = (polyphase if own else resampled)(sound, rate, wanted)
    assert len(made) == (n if rate == wanted and not own else max(1, round(n * wanted / rate)))
    assert made.dtype == np.float32
    assert np.isfinite(made).all()


def test_without_the_library_numpy_does_it(monkeypatch):
    sound = sine(1000, 44_100)
    by_library = resampled(sound, 44_100, 16_000)
    assert resampling.resampler() == "soxr"
    monkeypatch.setattr(resampling, "_soxr", lambda: None)
    assert resampling.resampler() == "NumPy"
    np.testing.assert_allclose(resampled(sound, 44_100, 16_000)[500:-500], by_library[500:-500], atol=2e-3)
