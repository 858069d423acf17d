"""Wave files are read as libsndfile reads them, and headers are not believed."""

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings, strategies as st
from tests.kinds.sound.made import riff, tone

from annvil.kinds.sound.reading.broken import Broken
from annvil.kinds.sound.reading.decoding import decode
from annvil.kinds.sound.reading.wav import wave_header, wave_samples

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]


def written(samples, subtype, form="WAV", rate=11025):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, subtype=subtype, format=form)
    return stream.getvalue()


def ours(content):
    return wave_samples(content, wave_header(content))


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_way_of_writing_samples_is_read_as_libsndfile_does(form, subtype, channels):
    samples = np.random.default_rng(0).uniform(-1, 1, (257, channels))
    content = written(samples, subtype, form)
    theirs, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    wave = wave_header(content)
    assert (wave.rate, wave.channels, wave.lies) == (rate, channels, False)
    np.testing.assert_array_equal(wave_samples(content, wave), theirs)


@settings(deadline=None, max_examples=60)
@given(values=st.lists(st.integers(-(1 << 15), (1 << 15) - 1), min_size=1, max_size=40))
def test_sixteen_bits_are_what_they_are(values):
    content = riff(np.array(values, "<i2").tobytes())
    np.testing.assert_array_equal(ours(content)[:, 0], np.array(values) / 32768)


def test_chunks_before_the_samples_are_passed_whatever_their_length():
    odd = b"LIST" + struct.pack("<I", 5) + b"abcde\0"  # padded to an even number, as the specification says
    content = riff(np.array([1, 2], "<i2").tobytes(), before=odd)
    np.testing.assert_array_equal(ours(content)[:, 0], np.array([1, 2]) / 32768)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 4000, 0x7FFFFFFE])
def test_a_length_that_is_not_there_is_cut_to_what_is(size):
    data = np.arange(100, dtype="<i2").tobytes()
    content = riff(data, size=size)
    wave = wave_header(content)
    assert (wave.n_frames, wave.lies) == (100, True)
    np.testing.assert_array_equal(wave_samples(content, wave)[:, 0], np.arange(100) / 32768)


def test_a_shorter_length_than_is_there_is_believed():
    assert wave_header(riff(b"\0" * 200, size=100)).n_frames == 50  # notes may follow


def test_half_a_sample_at_the_end_is_left():
    wave = wave_header(riff(b"\1\0\2\0\3"))
    assert (wave.n_frames, wave.lies) == (2, True)


def test_an_empty_recording_has_no_samples():
    after = b"LIST" + struct.pack("<I", 4) + b"INFO"
    content = riff(b"")
    with pytest.raises(Broken, match="holds no samples"):
        decode(content)
    with pytest.raises(Broken, match="holds no samples"):
        decode(content + after)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (riff(b"\0" * 8)[:30], "ends before its samples begin|header is cut off|without a header"),
        (riff(b"\0" * 8, channels=0), "0 channels"),
        (riff(b"\0" * 8, channels=900), "900 channels"),
        (riff(b"\0" * 8, rate=0), "0 samples a second"),
        (riff(b"\0" * 8, rate=4_000_000_000), "4,000,000,000 samples a second"),
        (riff(b"\0" * 8, bits=0), "0 bits"),
        (riff(b"\0" * 800, bits=77), "77 bits"),
        (b"RIFX" + riff(b"\0" * 8)[4:], "big-endian"),
        (riff(np.array([0.5, np.nan], "<f4").tobytes(), tag=3, bits=32), "no finite numbers"),
        (riff(b"\0" * 16_000 * 61 * 2, rate=16_000), "lasts 61 s; clips may last up to 60 s"),
    ],
)
def test_what_cannot_be_is_told(content, said):
    with pytest.raises(Broken, match=said):
        decode(content)


def test_a_long_recording_is_refused_before_it_is_decoded():
    header = riff(b"", size=0xFFFFFF00, rate=8000)
    wave = wave_header(header, n_bytes=1 << 32)
    assert wave.n_frames == (0xFFFFFF00) // 2  # by its header alone


@pytest.mark.parametrize(
    ("form", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None), ("AIFF", "PCM_16")]
)
def test_other_files_are_read_by_the_library(form, subtype):
    samples = tone(440, 0.5, 16_000)
    stream = io.BytesIO()
    soundfile.write(stream, samples, 16_000, subtype=subtype, format=form)
    sound = decode(stream.getvalue())
    assert (sound.rate, sound.container) == (16_000, form.lower())
    n = min(len(samples), len(sound.samples))
    start = 0 if form != "MP3" else None
    if start is not None:
        assert np.corrcoef(samples[:n], sound.samples[:n, 0])[0, 1] > 0.95


def test_compressed_waves_are_read_by_the_library():
    content = written(tone(300, 0.2, 11025), "IMA_ADPCM")
    assert decode(content).samples.shape[0] >= int(0.2 * 11025)


def test_a_stream_whose_length_was_never_written_is_told():
    stream = io.BytesIO()
    soundfile.write(stream, tone(440, 0.5, 16_000), 16_000, format="FLAC", subtype="PCM_16")
    content = bytearray(stream.getvalue())
    content[21] &= 0xF0  # total samples, 36 bits of STREAMINFO: unknown
    content[22:26] = b"\0\0\0\0"
    with pytest.raises(Broken, match="length was never written; convert it to wav"):
        decode(bytes(content))
