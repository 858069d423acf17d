"""What a report of clips shows: spectrograms the right way up, sound that is the clip's, and who is understood."""

from __future__ import annotations

import io
import re
import wave
from dataclasses import replace

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.kinds.sound.sections.predictions import speakers
from annvil.kinds.sound.sections.spectrograms import LEAST_WIDTH, spectrogram, wav_of
from annvil.report.sections_page import render_sections
from annvil.sections import Picture, Section, png
from annvil.tasks.union import make_task

RATE = 8_000


def tone(hertz: float, seconds: float = 0.4) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def test_high_tones_are_above_low_ones_and_loud_is_dark() -> None:
    low, high = (spectrogram(tone(hertz), RATE) for hertz in (200, 3_000))
    assert low.shape == (40, LEAST_WIDTH)
    assert low[:, 10].argmin() > high[:, 10].argmin()
    assert low[:, 10].min() < 20
    assert (low[:, -1] == 255).all()  # behind the end
    assert np.isfinite(spectrogram(np.zeros(5, np.float32), RATE)).all()


def test_what_is_played_is_the_clip() -> None:
    """Of one loudness, its length, and three seconds at most."""
    clip = tone(440)
    with wave.open(io.BytesIO(wav_of(clip, RATE))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (RATE, 1, len(clip))
        heard = np.frombuffer(file.readframes(len(clip)), "<i2")
    np.testing.assert_allclose(heard / np.abs(heard).max(), clip / np.abs(clip).max(), atol=1e-3)
    assert len(wav_of(np.zeros(40_000, np.float32), RATE)) == 44 + 2 * 3 * RATE


def data(grouped: bool) -> tuple[Dataset, np.ndarray]:
    """Three speakers, ten clips each; the second is understood in six, the third in nine, the first always."""
    y = np.tile(np.arange(2), 15)
    clips = clips_from_arrays([tone(300 + 200 * one, 0.05) for one in y], RATE)
    clips = replace(clips, store=replace(clips.store, speakers=("ada", "bob", "<cy>")))
    dataset = Dataset(clips, y, make_task("binary", "word", ("no", "yes")), np.repeat(np.arange(3), 10))
    said = y.copy()
    said[10:14], said[29] = 1 - said[10:14], 1 - said[29]
    return replace(dataset, grouped=grouped), np.eye(2)[said] * 0.8 + 0.1


def test_speakers_are_told_apart_the_worst_first() -> None:
    dataset, outputs = data(grouped=True)
    (section,) = speakers(dataset, np.arange(30), outputs)
    names = [row[0] for row in section.tables[0].rows]
    assert names == ["bob", "<cy>", "ada"]
    assert section.tables[0].rows[0][1:] == ("10", "60%", "no for yes (2) and yes for no (2)")
    assert section.tables[0].rows[2][2:] == ("100%", "–")
    assert "Of the clips of bob, 60% are understood, of those of ada 100%." in section.sentences
    assert any("had not heard" in one for one in section.sentences)
    shared, outputs = data(grouped=False)
    (section,) = speakers(shared, np.arange(30), outputs)
    assert any("had heard other clips" in one for one in section.sentences)


def test_nothing_is_said_of_one_speaker() -> None:
    dataset, outputs = data(grouped=True)
    assert not list(speakers(dataset, np.arange(10), outputs[:10]))


def test_a_page_allows_sound_only_where_there_is_some() -> None:
    picture = Picture(png(spectrogram(tone(300), RATE)), "yes <said>", sized=True)
    heard = replace_wav(picture)
    for one, allowed in ((picture, False), (heard, True)):
        page = render_sections("Clips", (), (Section("clips", "Clips", pictures=(one,)),))
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
        assert ("media-src data:" in policy) == allowed
        assert ('<audio controls src="data:audio/wav;base64,UklGR' in page) == allowed


def replace_wav(picture: Picture) -> Picture:
    return Picture(picture.png, picture.caption, picture.flagged, picture.sized, wav_of(tone(300), RATE))
