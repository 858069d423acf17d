"""Clips: rows without copies, padding behind the ends, and what models are fed."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.errors import DataError
from annvil.kinds.sound import Clips, clips_from_arrays

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=8)


def made(lengths):
    random = np.random.default_rng(len(lengths))
    return [random.uniform(0.1, 1, n).astype(np.float32) * random.choice([-1, 1], n) for n in lengths]


@settings(deadline=None, max_examples=50)
@given(lengths=LENGTHS, data=st.data())
def test_rows_are_the_rows_asked_for(lengths, data):
    clips = clips_from_arrays(made(lengths), 8000)
    rows = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=6)), dtype=np.int64)
    taken = clips.take(rows)
    samples, found = taken.padded()
    assert taken.names() == [f"clip {row + 1}" for row in rows]
    for place, row in enumerate(rows.tolist()):
        one = clips.one(row)
        assert found[place] == lengths[row]
        np.testing.assert_array_equal(samples[place, : lengths[row]], one)
        assert not samples[place, lengths[row] :].any()
    together = [block.one(k) for _, block in taken.blocks(60) for k in range(block.n_rows)]
    assert len(together) == len(rows)
    for one, row in zip(together, rows.tolist(), strict=True):
        np.testing.assert_array_equal(one, clips.one(row))


@settings(deadline=None, max_examples=30)
@given(lengths=LENGTHS)
def test_arrays_and_back(lengths):
    clips = clips_from_arrays(made(lengths), 8000)
    order = np.arange(len(lengths))[::-1]
    arrays, described = clips.take(order).to_arrays()
    again = Clips.from_arrays(clips.form, arrays, described)
    assert again.digest() == clips.take(order).digest()
    if len(lengths) > 1:
        assert again.digest() != clips.digest() or len(set(clips.store.digests)) == 1


def test_the_digest_changes_with_any_sample_and_with_the_rate():
    parts = made([30, 40])
    base = clips_from_arrays(parts, 8000).digest()
    other = [part.copy() for part in parts]
    other[1][7] += 0.01
    assert clips_from_arrays(other, 8000).digest() != base
    assert clips_from_arrays(parts, 16_000).digest() != base


def test_a_raw_row_comes_back_as_it_was():
    clips = clips_from_arrays(made([300, 200]), 8000)
    again = clips.form.conform([clips.raw_row(0), clips.raw_row(1)], "here").inputs
    np.testing.assert_allclose(again.padded()[0], clips.padded()[0], atol=1e-6)


def test_holes_are_silence():
    clips = clips_from_arrays(made([400] * 60), 8000)
    holed = clips.with_holes(0.2, np.random.default_rng(0))
    share = np.mean(holed.padded()[0] == 0)
    assert 0.1 < share < 0.35
    assert np.all(clips.padded()[0] != 0)


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ([], "There are no clips"),
        ([np.zeros((2, 3, 4))], "Clip 1 has 3 axes"),
        ([np.zeros(5), np.empty(0)], "Clip 2 has the shape"),
        ([np.array([0.1, np.inf])], "no finite numbers"),
        ([np.array(["a", "b"])], "not numbers"),
        ([[0.1, None]], "not numbers|no finite"),
    ],
)
def test_what_is_no_sound_is_told(given_, said):
    with pytest.raises(DataError, match=said):
        clips_from_arrays(given_, 8000)


@pytest.mark.parametrize("rate", [0, -8000, 1e9, 8000.5, "8000", True])
def test_what_is_no_rate_is_told(rate):
    with pytest.raises(DataError, match=r"[Rr]ate is"):
        clips_from_arrays([np.ones(5)], rate)


def test_channels_may_lie_in_rows_or_columns_and_integers_are_of_their_type():
    sound = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    across, down = (clips_from_arrays([one], 8000).one(0) for one in (sound, sound.T))
    np.testing.assert_array_equal(across, down)
    whole = np.round(sound[:, 0] * 32767).astype(np.int16)
    np.testing.assert_allclose(
        clips_from_arrays([whole], 8000).one(0), clips_from_arrays([sound[:, 0]], 8000).one(0), atol=1e-4
    )
