"""Which of overlapping hits are words: by hand, and whatever hits there are."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.kinds.sound.listening.merging import Hits, Merging, hits_of, joined, merged
from annvil.kinds.sound.listening.windows import Heard, stretches


def hits(*rows):
    starts, ends, words, sure = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Hits(np.array(starts, int), np.array(ends, int), np.array(words, int), np.array(sure, float))


def rows_of(found):
    return [*zip(found.starts.tolist(), found.ends.tolist(), found.words.tolist(), strict=True)]


def test_the_likeliest_of_overlapping_windows_stays_and_its_neighbours_stay_too():
    found = merged(
        hits((0, 100, 1, 0.6), (40, 140, 2, 0.9), (130, 230, 1, 0.7), (150, 250, 0, 0.65), (400, 500, 2, 0.5))
    )
    # 0-100 shares 60% with 40-140; 130-230 shares 10% of it; 150-250 shares 80% with that one
    assert rows_of(found) == [(40, 140, 2), (130, 230, 1), (400, 500, 2)]


def test_a_short_window_inside_a_long_one_is_the_same_word():
    assert rows_of(merged(hits((0, 1000, 0, 0.8), (300, 380, 1, 0.7)))) == [(0, 1000, 0)]


def test_nothing_is_merged_to_nothing():
    assert len(merged(hits())) == 0
    assert len(Merging(0.5).rest()) == 0


def test_hits_are_the_likeliest_class_from_the_threshold_on():
    outputs = np.array([[0.2, 0.8], [0.5, 0.5], [0.49, 0.51], [0.9, 0.1]])
    heard = Heard(np.arange(4) * 10, np.full(4, 20), outputs)
    found = hits_of(heard, 0.6)
    assert rows_of(found) == [(0, 20, 1), (30, 50, 0)]
    assert found.probabilities == pytest.approx([0.8, 0.9])


windows = st.lists(st.tuples(st.integers(0, 600), st.integers(1, 90), st.integers(0, 2), st.floats(0, 1)), max_size=40)


@settings(max_examples=80, deadline=None)
@given(windows, st.floats(0, 1))
def test_words_above_a_threshold_do_not_depend_on_hits_below_it(made, threshold):
    every = hits(*((start, start + length, word, sure) for start, length, word, sure in made))
    before = merged(every.take(every.probabilities >= threshold))
    after = merged(every)
    assert rows_of(before) == rows_of(after.take(after.probabilities >= threshold))


@settings(max_examples=80, deadline=None)
@given(windows, st.integers(1, 5))
def test_words_that_are_told_while_it_goes_on_are_those_of_the_whole(made, n_pieces):
    """The outside truth: everything merged at once."""
    made = sorted(made)
    merging, found = Merging(0.0), []
    for k in range(n_pieces):
        part = made[k * len(made) // n_pieces : (k + 1) * len(made) // n_pieces]
        later = made[(k + 1) * len(made) // n_pieces :]
        outputs = np.zeros((len(part), 3))
        for row, (_, _, word, sure) in enumerate(part):
            outputs[row, word] = sure
        starts = np.array([one[0] for one in part], dtype=np.int64)
        lengths = np.array([one[1] for one in part], dtype=np.int64)
        found.append(merging.add(Heard(starts, lengths, outputs), later[0][0] if later else 10_000))
    found.append(merging.rest())
    every = hits(*((start, start + length, word if sure else 0, sure) for start, length, word, sure in made))
    assert rows_of(joined(found)) == rows_of(merged(every))


def test_runs_are_joined_over_short_gaps_and_blips_left_out():
    loud = np.array([1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1]) > 0
    assert stretches(loud, gap=3, blip=2) == [(0, 8), (16, 19)]
    assert stretches(loud, gap=1, blip=1) == [(0, 1), (3, 6), (7, 8), (12, 13), (16, 19)]
    assert stretches(np.zeros(5, bool), 1, 1) == []
