"""Transcriptions: edit distances by hand, by brute force over all alignments, and what is told of them."""

from __future__ import annotations

import pickle
from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, strategies as st

from annvil.tasks.targets import Targets
from annvil.tasks.transcription import Transcription
from annvil.tasks.transcription_metrics import NOTHING, TRANSCRIPTION_METRICS, aligned, codes_of, word_errors
from annvil.tasks.union import AnyTask, make_task, tagged, task_from_json

WER, SENTENCES = TRANSCRIPTION_METRICS
TASK = Transcription("said", ("one", "two", "three", "four"), "transcripts were given", most=4)


def padded(rows, most=4):
    found = np.full((len(rows), most), NOTHING)
    for row, words in enumerate(rows):
        found[row, : len(words)] = words
    return found


def fewest(said, heard):
    """The definition, by recursion over what becomes of the first words."""

    @cache
    def left(i, j):
        if i == len(said) or j == len(heard):
            return len(said) - i + len(heard) - j
        taken = left(i + 1, j + 1) + (said[i] != heard[j])
        return min(taken, left(i + 1, j) + 1, left(i, j + 1) + 1)

    return left(0, 0)


sentences = st.lists(st.integers(0, 3), max_size=4)


@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=6))
def test_errors_are_the_fewest_of_all_alignments(pairs):
    said, heard = (padded(rows) for rows in zip(*pairs, strict=True))
    expected = [fewest(one, other) for one, other in pairs]
    assert word_errors(said, heard.astype(float)).tolist() == expected
    for row, (one, other) in enumerate(pairs):
        found = aligned(said[row], heard[row])
        assert [a for a, _ in found if a != NOTHING] == one
        assert [b for _, b in found if b != NOTHING] == other
        assert sum(a != b for a, b in found) == expected[row]
        assert (NOTHING, NOTHING) not in found


def test_scores_by_hand():
    """One substitution in three words, one miss in two, one word added to one: 3 errors in 6 words."""
    y = padded([[0, 1, 2], [3, 1], [2], []])
    outputs = padded([[0, 3, 2], [1], [2, 2], []]).astype(float)
    assert WER.score(y, outputs) == pytest.approx(3 / 6)
    assert SENTENCES.score(y, outputs) == pytest.approx(1 / 4)
    np.testing.assert_allclose(TASK.row_losses(y, outputs), [1 / 3, 1 / 2, 1, 0])
    assert TASK.error_sentence(y, outputs, None, "4 clips", "held out") == (
        "All words are right for 1 of 4 clips; errors among 6 words: 1 taken for another, 1 missed, 1 added; held out."
    )


def test_where_nothing_was_said_all_that_is_heard_is_wrong_and_scores_stay_finite():
    y = padded([[], []])
    assert WER.score(y, padded([[], []]).astype(float)) == 0
    assert WER.score(y, padded([[1, 2], []]).astype(float)) == 2
    for part in (slice(0, 1), slice(0, 2)):
        assert all(
            np.isfinite(list(TASK.scores(Targets(y).take(part), padded([[], [3]]).astype(float)[part]).values()))
        )


def test_holes_between_words_and_what_is_no_number_are_no_words():
    assert codes_of(np.array([[NOTHING, 2.0, np.nan, 1.0]])).tolist() == [[2, 1, NOTHING, NOTHING]]
    losses = TASK.row_losses(padded([[0], [1]]), np.array([[np.nan] * 4, [1.0, -1, -1, -1]]))
    assert np.isnan(losses[0])  # nobody tried: no row of a candidate that was never tested counts as missed
    assert losses[1] == 0


def test_what_is_said_and_written():
    y, outputs = padded([[0, 1, 2], []]), padded([[0, 3, 2], [1]]).astype(float)
    assert TASK.said(outputs).tolist() == ["one four three", "two"]
    assert TASK.columns(outputs) == [("predicted_said", ["one four three", "two"])]
    assert TASK.answer(y[1]) == "(nothing)"
    assert TASK.written(y) == [("one two three",), ("",)]
    assert TASK.describe(y) == "sequences of 0 to 3 words, of 4 words"
    assert TASK.describe(y[:1]) == "sequences of 3 words, of 4 words"
    assert TASK.counts(y).tolist() == [1, 1, 1, 0]
    assert TASK.output_names == ("word 1", "word 2", "word 3", "word 4")
    assert TASK.right(y, outputs).tolist() == [False, False]
    shown = TASK.examples(y, outputs, None, "2 clips", 5, 10)
    assert shown.captions == ("(nothing), heard two", "one two three, heard one four three")
    assert shown.wrong.all()


def test_of_a_row_of_which_nothing_is_known_the_most_frequent_words_are_said():
    y = padded([[0, 1], [0, 2], [3, 1], [0]])
    assert TASK.constant(y).tolist() == [0, 1, NOTHING, NOTHING]
    assert TASK.strata(y).tolist() == [1, 1, 1, 0]


def test_json_is_read_again():
    plain = {"kind": "transcription", "target": "said", "classes": list(TASK.classes), "reason": TASK.reason, "most": 4}
    assert TASK.to_json() == plain == msgspec.json.decode(msgspec.json.encode(TASK))
    assert task_from_json(plain) == TASK == msgspec.json.decode(msgspec.json.encode(tagged(TASK)), type=AnyTask)
    assert pickle.loads(pickle.dumps(TASK)) == TASK
    assert make_task("transcription", "said", ("a",)).check() is None
    with pytest.raises(msgspec.ValidationError):
        task_from_json({**plain, "most": 0})
