"""One channel, no padding, no offset, in scale: the same whether done once or twice."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.kinds.sound.made import tone

from annvil.kinds.sound.reading.cleaning import bandwidth_of, cleaned, level_of, one_channel
from annvil.kinds.sound.reading.decoding import Sound


def clean(samples, rate=8000, wanted=8000):
    samples = np.asarray(samples, dtype=np.float32)
    return cleaned(Sound(samples if samples.ndim == 2 else samples[:, None], rate), wanted)


def test_channels_become_their_mean_unless_they_cancel_each_other():
    left = tone(440).astype(np.float32)
    mean, cancelled = one_channel(np.stack([left, left], axis=1))
    np.testing.assert_allclose(mean, left, atol=1e-7)
    assert not cancelled
    one, cancelled = one_channel(np.stack([left, -1.01 * left], axis=1))
    assert cancelled
    np.testing.assert_allclose(one, -1.01 * left, atol=1e-7)  # the louder of the two
    _, cancelled = one_channel(np.stack([left, 0 * left], axis=1))
    assert not cancelled


def test_digital_silence_at_the_ends_is_cut_off_and_told():
    sound = tone(440)
    padded = np.concatenate([np.zeros(800), sound, np.zeros(1600)])
    made, facts = clean(padded)
    np.testing.assert_allclose(made, sound.astype(np.float32), atol=1e-6)
    assert facts["trimmed"] == pytest.approx(0.3, abs=1e-4)
    made, facts = clean(np.concatenate([np.zeros(20), sound]))  # 2.5 ms are no padding
    assert len(made) == len(sound) + 20
    assert facts["trimmed"] == 0


def test_silence_stays_as_long_as_it_is():
    made, facts = clean(np.zeros(1000))
    assert len(made) == 1000
    assert facts["silent"]
    assert facts["level"] == -200
    made, facts = clean(np.full(1000, 0.25))  # one value is silence with an offset
    assert facts["silent"]
    assert facts["offset"] == pytest.approx(0.25)
    assert not made.any()


def test_an_offset_is_taken_away():
    made, facts = clean(tone(440) + 0.1)
    assert abs(made.mean()) < 1e-4
    assert facts["offset"] == pytest.approx(0.1, abs=5e-3)


def test_integers_written_as_floats_are_brought_to_scale():
    sound = tone(440, noise=0)
    made, _ = clean(sound * 32768)
    np.testing.assert_allclose(made, sound, atol=2e-4)  # but for the offset
    made, _ = clean(sound / 0.3 * 1.5)
    assert np.abs(made).max() == pytest.approx(1, abs=1e-3)


def test_flat_tops_are_counted():
    clipped = np.clip(3 * tone(200, noise=0), -0.6, 0.6)
    flat = np.abs(clipped) >= 0.6
    assert clean(clipped)[1]["clipped"] == pytest.approx(flat.mean(), abs=0.02)
    assert clean(tone(200))[1]["clipped"] == 0


def test_level_and_bandwidth_are_those_of_the_sound():
    sine = np.sin(2 * np.pi * 500 * np.arange(8000) / 8000).astype(np.float32)
    assert level_of(sine) == pytest.approx(10 * np.log10(0.5), abs=0.01)
    assert bandwidth_of(sine, 8000) == pytest.approx(500, abs=60)
    noise = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    assert bandwidth_of(noise, 8000) > 3900


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 99),
    n=st.integers(1, 3000),
    offset=st.sampled_from([0, 0.01, 0.4]),
    padding=st.integers(0, 300),
    loud=st.sampled_from([1e-4, 0.3, 1.0, 20_000]),
)
def test_what_is_clean_stays_as_it_is(seed, n, offset, padding, loud):
    sound = np.random.default_rng(seed).uniform(-loud, loud, n) + offset
    once, _ = clean(np.concatenate([np.zeros(padding), sound, np.zeros(padding // 2)]))
    assert 1 <= len(once) <= n + padding + padding // 2
    assert np.abs(once).max() <= 1
    twice, _ = clean(once)
    assert len(twice) == len(once)
    np.testing.assert_allclose(twice, once, atol=2e-3 if len(once) < 4 else 1e-6)
