"""The audit finds what was put there, and nothing where nothing is."""

from dataclasses import replace

import numpy as np
import pytest
from tests.kinds.sound.made import tone, words, write_wav

import annvil
from annvil.data.dataset import Dataset
from annvil.kinds.sound import clips_from_arrays
from annvil.kinds.sound.audit.alike import alike_groups, same_recording
from annvil.kinds.sound.audit.audit_sound import audit_sound
from annvil.kinds.sound.audit.shortcuts import length_tells, loudness_tells
from annvil.kinds.sound.audit.voices import voices
from annvil.tasks.union import make_task

RATE = 8000


def voice(seed, seconds=0.4):
    """Noise through three resonances that move: as little alike as two takes of a word can be."""
    random = np.random.default_rng(seed)
    n = int(seconds * RATE)
    at = np.arange(n) / RATE
    made = np.zeros(n)
    for _ in range(12):
        pitch, bend, begin = random.uniform(200, 3000), random.normal(), random.uniform(0, 0.7) * seconds
        made += np.sin(2 * np.pi * pitch * at * (1 + 0.1 * bend * at)) * np.exp(-(((at - begin) / 0.08) ** 2))
    return (0.1 * made + 0.003 * random.normal(size=n)).astype(np.float32)


def dataset_of(sounds, y, groups=None):
    y = np.asarray(y)
    clips = clips_from_arrays(sounds, RATE)
    alike = alike_groups(clips)
    clips = replace(clips, store=replace(clips.store, alike=alike))
    classes = tuple("abcdef"[: int(y.max()) + 1])
    task = make_task("binary" if len(classes) == 2 else "multiclass", "word", classes)
    own = np.arange(len(y)) if groups is None else np.asarray(groups)
    return Dataset(clips, y, task, own, grouped=groups is not None)


def found(dataset, *checks):
    """By kind what these say, or the whole audit."""
    findings = [one for check in checks for one in check(dataset)] if checks else audit_sound(dataset)
    return {finding.kind: finding for finding in findings}


def loudness_and_length(dataset):
    yield from loudness_tells(dataset, 0)
    yield from length_tells(dataset, 0)


@pytest.fixture(scope="module")
def usual():
    """220 clips of two words by eleven speakers, nothing strange about them."""
    sounds = [voice(seed, 0.35 + 0.01 * (seed % 7)) for seed in range(220)]
    return sounds, np.arange(220) % 2, np.arange(220) // 2 % 11


def test_where_nothing_is_nothing_is_found(usual):
    assert found(dataset_of(*usual)) == {}


def test_copies_are_found_shifted_and_scaled_and_kept_together(usual):
    sounds, y, groups = usual
    noise = np.random.default_rng(0).normal(size=4000).astype(np.float32) * 0.003
    first = sounds[0]
    copies = [first, 0.3 * first, np.concatenate([noise[:700], first]), first[40:], -first]
    clips = clips_from_arrays([*sounds[:40], *copies], RATE)
    alike = alike_groups(clips)
    assert (alike[40:] == alike[0]).all()
    assert len(set(alike.tolist())) == 40
    told = found(dataset_of([*sounds, *copies], [*y, 0, 0, 0, 0, 1], [*groups, 0, 0, 0, 0, 0]))[
        "the same recording twice"
    ]
    assert told.what == (
        "1 clip is an exact copy of another and 4 more are the same recording as another (shifted, louder, quieter or "
        "cut otherwise); 1 of these recordings stand under different answers."
    )
    assert told.severity == "warning"


def test_reading_keeps_copies_on_one_side(tmp_path):
    root = words(tmp_path / "clips", speakers=("ann", "bob"), takes=12, named="{take}.wav")
    sound = voice(7)
    write_wav(root / "up" / "x.wav", sound)
    write_wav(root / "up" / "y.wav", np.concatenate([0.001 * voice(9), 0.5 * sound]))
    dataset = annvil.read(root)
    names = dataset.inputs.names()
    assert dataset.groups[names.index("up/x.wav")] == dataset.groups[names.index("up/y.wav")]


@pytest.mark.parametrize("gain", [1.0, -0.2])
def test_two_takes_are_not_one_recording(gain):
    one, other = voice(1), voice(2)
    assert same_recording(one, gain * one)
    assert not same_recording(one, other)
    assert not same_recording(one, np.zeros(100, dtype=np.float32))


def test_loudness_and_length_that_tell_the_answer(usual):
    sounds, y, groups = usual
    loud = [sound * (1.0 if label else 0.2) for sound, label in zip(sounds, y, strict=True)]
    told = found(dataset_of(loud, y, groups), loudness_and_length)
    assert "'word' with a ROC AUC of 1.00: the median loudness in dB is" in told["loudness tells the answer"].what
    assert "length tells the answer" not in told
    short = [sound[: 2000 if label else 2700] for sound, label in zip(sounds, y, strict=True)]
    told = found(dataset_of(short, y, groups), loudness_and_length)
    assert "the median length in seconds is 0.338 for 'a' and 0.25 for 'b'" in told["length tells the answer"].what


def test_files_that_tell_the_answer(tmp_path):
    root = words(tmp_path / "clips", speakers=("ann", "bob", "cem", "dee"), takes=12)
    for file in sorted((root / "up").iterdir()):
        write_wav(file, tone(300, 0.3, 16_000, seed=len(file.name)), 16_000)
    told = found(annvil.read(root))["the file gives the answer away"]
    assert told.severity == "serious"
    assert "the median rate in Hz is 1.6e+04 for 'up' and 8e+03 for 'down'" in told.what


def test_what_goes_with_speakers(usual):
    sounds, y, _ = usual
    told = found(dataset_of(sounds, y), voices)
    assert told["unknown speakers"].severity == "warning"
    told = found(dataset_of(sounds, y, y), voices)
    assert told["a speaker says one thing only"].what == "Each of the 2 groups of clips is of one class alone."
    assert told["few speakers"].what.startswith("There are 2 groups of clips")
    third = np.where(np.arange(220) < 20, 2, y)
    told = found(dataset_of(sounds, third, np.where(third == 2, 0, np.arange(220) % 11)), voices)
    assert told["one speaker a class"].what == "1 class is of one speaker or recording alone: 'c'."


def test_silence_flat_tops_and_lengths(usual):
    sounds, y, groups = usual
    strange = list(sounds)
    strange[3] = np.zeros(3000, dtype=np.float32)
    strange[4] = np.clip(20 * strange[4], -0.5, 0.5)
    strange[5] = strange[5][:400]
    strange[6] = np.tile(strange[6], 8)
    told = found(dataset_of(strange, y, groups))
    assert told["silent clips"].which == "'clip 4'."
    assert told["clipped clips"].which == "'clip 5'."
    assert told["much shorter clips"].which == "'clip 6'."
    assert told["much longer clips"].which == "'clip 7'."
    padded = [np.concatenate([np.zeros(500, dtype=np.float32), one]) for one in sounds]
    told = found(dataset_of(padded, y, groups))
    assert told["digital padding"].what.startswith("100% of the clips were padded")


def test_the_official_test_is_looked_at(usual):
    sounds, y, groups = usual
    whole = dataset_of([*sounds, 0.5 * sounds[0], voice(999)], [*y, 0, 1], [*groups, 0, 99])
    rows = np.arange(222)
    dataset = replace(whole.take(rows[:220]), official_test=whole.take(rows[220:]))
    told = found(dataset)
    assert told["test clips heard in training"].what.startswith("1 clip of the official test (50%) is also among")
    assert told["speakers of the official test are known"].what.startswith("1 clip of the official test (50%) is of")
