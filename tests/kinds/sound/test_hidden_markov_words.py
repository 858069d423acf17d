"""Hidden Markov models of words as a contender: what they learn, and what quiet, short and loud clips leave of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.battery import fit_one, made_job

from annvil.kinds.sound.contenders.hidden_markov_words import HiddenMarkovWords
from annvil.kinds.sound.hidden_markov.speech_frames import SpeechFrames, frames_of
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.kinds.sound.spoken import places_of
from annvil.kinds.sound.tiny import RATE, tiny
from annvil.models.jobs import Effort


@pytest.fixture(scope="module")
def dataset():
    return tiny()["multiclass"].dataset


@pytest.fixture(scope="module")
def fitted(dataset):
    return fit_one(HiddenMarkovWords(), dataset, made_job(dataset, np.arange(20, 90)), Effort(1, inner_folds=5))


def test_what_moves_is_told_apart_where_nothing_but_the_order_of_frames_tells(dataset, fitted):
    """Tones that rise and fall have the same frames, in another order."""
    outputs = fitted.predict(dataset.inputs.take(np.arange(20)))
    assert (outputs.argmax(axis=1) == dataset.y[:20]).mean() > 0.8


def test_how_loud_a_clip_is_changes_nothing(dataset, fitted):
    clips = [0.5 * dataset.inputs.one(row) for row in range(10)]
    found = fitted.predict(clips_from_arrays(clips, RATE, dataset.inputs.form))
    np.testing.assert_allclose(found, fitted.predict(dataset.inputs.take(np.arange(10))), atol=1e-3)


def test_a_clip_shorter_than_the_chains_is_none_of_the_words_more_than_another(dataset, fitted):
    short = clips_from_arrays([0.5 * np.ones(40, dtype=np.float32)], RATE, dataset.inputs.form)
    frequencies = dataset.task.constant(dataset.y[fitted.job.rows])
    found = replace(fitted, calibration=None).predict(short)
    np.testing.assert_allclose(found[0], frequencies, atol=1e-9)


def test_frames_are_those_between_the_first_loud_one_and_the_last_and_have_no_mean():
    rng = np.random.default_rng(0)
    quiet, loud = 1e-4 * rng.normal(size=4_000), 0.3 * rng.normal(size=2_000)
    clip = np.concatenate([quiet, loud, quiet]).astype(np.float32)
    frames = frames_of(clips_from_arrays([clip, loud.astype(np.float32)], RATE), SpeechFrames(RATE))
    seconds = frames.counts / 100
    np.testing.assert_allclose(seconds, 0.5, atol=0.05)
    for row in range(2):
        np.testing.assert_allclose(frames.of(np.array([row]))[:, :13].mean(axis=0), 0, atol=1e-3)
    assert places_of(torch.randn(2, 3)).tolist() == [[0, 1, 2]] * 2


def test_it_declines_what_has_no_classes(dataset):
    from annvil.comparison.data_problem import DataProblem

    contender = HiddenMarkovWords()
    for asked, one in tiny().items():
        said = contender.declines(DataProblem(one.dataset).shape(90))
        assert (said is None) == (asked in ("binary", "multiclass"))
    assert "memory" in contender.declines(DataProblem(dataset).shape(10**7))
