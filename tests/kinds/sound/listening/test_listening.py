"""Tones in long recordings, heard by a model that knows how high a tone is: which, where, and how sure."""

import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.kinds.sound.made import tone

from annvil.errors import MachineError
from annvil.kinds.sound.form import SeenClips, SoundForm
from annvil.kinds.sound.listening.background import chopped, noise_like, with_words, without_words
from annvil.kinds.sound.listening.calibration import Background, background_of, probability_of
from annvil.kinds.sound.listening.detecting import words_in
from annvil.kinds.sound.listening.microphone import pieces_of_microphone
from annvil.kinds.sound.listening.windows import Slider
from annvil.tasks.union import make_task

RATE = 4000
PITCHES = {"low": 300.0, "mid": 600.0, "high": 1200.0}


class Ear:
    """The class whose pitch is nearest the loudest frequency; as sure as that frequency has of the energy."""

    form = SoundForm(RATE, 700, 2400, SeenClips(-40, -10, 2000.0, (800, 1200, 2000)))
    task = make_task("multiclass", "tone", tuple(PITCHES))

    def raw(self, windows):
        outputs = np.full((windows.n_rows, 3), 0.0)
        for row, n in enumerate(windows.lengths.tolist()):
            power = np.abs(np.fft.rfft(windows.samples[row, :n] * np.hanning(n))) ** 2
            at = np.fft.rfftfreq(n, 1 / RATE)
            for column, pitch in enumerate(PITCHES.values()):
                outputs[row, column] = power[np.abs(at - pitch) < 40].sum() / (power.sum() + 1e-30)
        return outputs


@pytest.fixture(scope="module")
def recording():
    """Half a minute of noise with tones, their truth, and a hiss that is none of them."""
    random = np.random.default_rng(4)
    samples, truth, at = 0.001 * random.normal(size=30 * RATE), [], RATE
    for k in range(18):
        name = [*PITCHES][k % 3]
        sound = tone(PITCHES[name], 0.3 + 0.01 * k, RATE, noise=0.0)
        samples[at : at + len(sound)] += sound
        truth.append((at / RATE, (at + len(sound)) / RATE, name))
        at += len(sound) + int(random.uniform(0.5, 1.2) * RATE)
    samples[28 * RATE : 28 * RATE + 1600] += 0.2 * random.normal(size=1600)
    return samples.astype(np.float32), truth


def cut(samples, step):
    return (samples[a : a + step] for a in range(0, len(samples), step))


@pytest.mark.parametrize("step", [1000, 7777, 40_000, 120_000])
def test_each_tone_is_found_where_it_is_however_the_recording_comes(recording, step):
    samples, truth = recording
    found = [*words_in(Slider(Ear(), 400), cut(samples, step), 0.8)]
    assert [one.word for one in found] == [name for *_, name in truth]
    for one, (start, end, _) in zip(found, truth, strict=True):
        assert one.start == pytest.approx(start, abs=0.06)
        assert one.end == pytest.approx(end, abs=0.06)
        assert 0.8 <= one.probability <= 1


def test_a_hiss_is_none_of_the_words_but_below_the_threshold(recording):
    samples, _ = recording
    found = [*words_in(Slider(Ear(), 400), cut(samples, 40_000), 0.0)]
    assert [one.start for one in found if one.probability < 0.5] == [pytest.approx(28, abs=0.06)]


def test_windows_slide_over_what_lasts_longer_than_a_clip():
    parts = [tone(PITCHES[name], 0.6, RATE, noise=0.001) for name in ("low", "high", "mid")]
    quiet = 0.001 * np.random.default_rng(0).normal(size=RATE)
    samples = np.concatenate([quiet, *parts, quiet]).astype(np.float32)
    found = [*words_in(Slider(Ear(), 400), [samples], 0.9)]
    order = [one.word for one in found]
    assert [word for k, word in enumerate(order) if not k or order[k - 1] != word] == ["low", "high", "mid"]
    for one in found:
        begin = 1 + 0.6 * ["low", "high", "mid"].index(one.word)
        assert begin - 0.11 <= one.start <= one.end <= begin + 0.71


def test_silence_and_steady_noise_ask_the_model_nothing():
    slider = Slider(Ear(), 400)
    assert [*words_in(slider, [np.zeros(10 * RATE, np.float32)], 0.0)] == []
    hum = (0.1 * np.random.default_rng(1).normal(size=10 * RATE)).astype(np.float32)
    assert [*words_in(Slider(Ear(), 400), cut(hum, RATE), 0.0)] == []
    assert slider.asked == 0


def test_a_sound_that_never_ends_is_heard_before_it_is_over_and_memory_does_not_grow():
    random = np.random.default_rng(2)
    slider, heard = Slider(Ear(), 1200), 0
    at = np.arange(100 * RATE) / RATE
    loud = np.where(at % 0.41 < 0.3, 0.3, 0.001)  # quiet for shorter than between two sounds
    samples = (loud * np.sin(2 * np.pi * 600 * at) + 1e-4 * random.normal(size=len(at))).astype(np.float32)
    for second, piece in enumerate(cut(samples, RATE)):
        heard += len(slider.hear(piece).starts)
        assert len(slider._kept) <= 35 * RATE
        assert len(slider._levels) <= 40 * 100
        if second == 40:
            assert heard > 60


@pytest.mark.parametrize("step", [400, 40_000])
def test_what_is_quiet_is_remembered_through_a_long_sound(step):
    random = np.random.default_rng(6)
    at = np.arange(10 * RATE) / RATE
    sound = 0.3 * np.sin(2 * np.pi * 600 * at) * (1 + 0.3 * np.sin(2 * np.pi * 5 * at))
    quiet = 0.001 * random.normal(size=8 * RATE)
    samples = np.concatenate([quiet, sound, quiet[:RATE]]).astype(np.float32)
    found = [*words_in(Slider(Ear(), 400), cut(samples, step), 0.5)]
    assert {one.word for one in found} == {"mid"}
    assert found[0].start == pytest.approx(8, abs=0.1)
    assert found[-1].end == pytest.approx(18, abs=0.4)
    assert sum(one.end - one.start for one in found) > 6  # all through it, not only at both ends


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0, 40), st.floats(60, 36_000))
def test_no_more_false_alarms_than_asked_for_and_no_higher_a_threshold_than_that_takes(peaks, per_hour, seconds):
    background = Background(seconds, tuple(sorted(peaks, reverse=True)), made=False)
    value = background.threshold(per_hour)
    alarms = sum(peak >= value for peak in peaks)
    assert alarms <= per_hour * seconds / 3600 + 1e-6
    lower = max((peak for peak in peaks if peak < value), default=None)
    if lower is not None:
        assert sum(peak >= lower for peak in peaks) > int(per_hour * seconds / 3600 + 1e-9)


def test_a_threshold_by_hand():
    background = Background(7200, (0.9, 0.8, 0.7, 0.6), made=False)
    assert 0.7 < background.threshold(1) < 0.7 + 1e-9  # two in two hours: 0.9 and 0.8
    assert 0.9 < background.threshold(0) < 0.9 + 1e-9
    assert background.threshold(2) == 0
    assert Background(3600, (1.0, 1.0), made=False).threshold(1) > 1
    said = " ".join(Background(600, (0.99,), made=False).sentences(0.995, 1))
    assert "no false alarm" in said
    assert "10 min of background" in said
    assert "too short to show 1 an hour" in said
    assert probability_of(0.99987) == "0.999870"


def test_a_background_is_what_the_model_says_of_it(recording):
    samples, truth = recording
    background = background_of(cut(samples, 40_000), Slider(Ear(), 400), made=False)
    assert background.seconds == pytest.approx(30)
    assert sum(peak > 0.8 for peak in background.peaks) == len(truth)
    assert [*background.peaks] == sorted(background.peaks, reverse=True)


def test_made_recordings_hold_what_they_say():
    random = np.random.default_rng(0)
    clips = [tone(pitch, 0.4, RATE, noise=0.01, seed=k).astype(np.float32) for k, pitch in enumerate((300, 600, 1200))]
    clips = [np.concatenate([0.01 * random.normal(size=400).astype(np.float32), one]) for one in clips]
    made = with_words(clips, RATE, random)
    assert sorted(made.clips.tolist()) == [0, 1, 2]
    for start, end, row in zip(made.starts, made.ends, made.clips, strict=True):
        assert end - start == len(clips[row])
        assert np.corrcoef(made.samples[start:end], clips[row])[0, 1] > 0.99
    assert (made.starts[1:] - made.ends[:-1] >= 0.4 * RATE - 1).all()
    others = [*without_words(clips, RATE, 60, random)]
    assert sum(len(one.samples) for one in others) / RATE >= 60
    for one in others:
        assert np.abs(one.samples).max() <= 1
        assert (one.clips == -1).all()
        for start, end in zip(one.starts, one.ends, strict=True):
            assert end > start
    assert len(chopped(clips, RATE, random)) >= 2000


def test_noise_has_the_spectrum_and_level_of_quiet_moments():
    random = np.random.default_rng(3)
    white = random.normal(size=256 * 200)
    low = np.fft.irfft(np.fft.rfft(white) * (np.arange(256 * 100 + 1) < 256 * 25))  # a quarter of the band
    quiet = (0.01 * low / low.std()).astype(np.float32)
    loud = (0.3 * white[: 256 * 50] / white.std()).astype(np.float32)
    made = noise_like([quiet, loud], 20_000, random)
    assert made.std() == pytest.approx(0.01, rel=0.4)
    power = np.abs(np.fft.rfft(made)) ** 2
    assert power[: len(power) // 4].sum() > 0.9 * power.sum()


class PortAudioError(Exception):
    """That of sounddevice."""


def fake_device(samples, refuse=False, interrupt=False):
    """A microphone that hears these samples, as `sounddevice` has it."""

    class InputStream:
        def __init__(self, samplerate, channels, dtype):
            assert (channels, dtype) == (1, "float32")
            if refuse:
                raise PortAudioError("Invalid sample rate [PaErrorCode -9997]\nmore")
            self.at = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def read(self, n):
            if interrupt and self.at + n > len(samples):
                raise KeyboardInterrupt
            block = samples[self.at : self.at + n, None]
            self.at += n
            return block, False

    return types.SimpleNamespace(InputStream=InputStream, PortAudioError=PortAudioError)


def test_what_a_microphone_hears_is_a_recording(recording, monkeypatch):
    samples, truth = recording
    monkeypatch.setitem(sys.modules, "sounddevice", fake_device(samples))
    heard = np.concatenate([*pieces_of_microphone(RATE, 10.1)])
    np.testing.assert_array_equal(heard, samples[: int(10.1 * RATE)])
    found = [*words_in(Slider(Ear(), 400), pieces_of_microphone(RATE, 30), 0.8)]
    assert [one.word for one in found] == [name for *_, name in truth]


def test_ctrl_c_turns_the_microphone_off_and_keeps_what_was_heard(recording, monkeypatch):
    samples, truth = recording
    monkeypatch.setitem(sys.modules, "sounddevice", fake_device(samples, interrupt=True))
    found = [*words_in(Slider(Ear(), 400), pieces_of_microphone(RATE), 0.8)]
    assert [one.word for one in found] == [name for *_, name in truth]


def test_a_microphone_that_is_not_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", fake_device(np.zeros(1), refuse=True))
    with pytest.raises(MachineError, match=r"gives no sound at 4,000 Hz: Invalid sample rate \[PaErrorCode -9997\]\.$"):
        [*pieces_of_microphone(RATE, 1)]
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MachineError, match=r"pip install 'annvil\[microphone\]'"):
        [*pieces_of_microphone(RATE, 1)]
