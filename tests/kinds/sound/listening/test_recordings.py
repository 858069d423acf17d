"""Long recordings in pieces: what a whole file decodes to, and one sentence where it is none."""

import io

import numpy as np
import pytest
import soundfile
from tests.kinds.sound.made import riff, tone, write_wav

from annvil.errors import DataError, RequestError
from annvil.kinds.sound.listening import recordings
from annvil.kinds.sound.listening.recordings import at_rate, pieces_of
from annvil.kinds.sound.reading.cleaning import one_channel
from annvil.kinds.sound.reading.decoding import decode
from annvil.kinds.sound.reading.resampling import polyphase, resampled


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    monkeypatch.setattr(recordings, "PIECE_SECONDS", 2)


@pytest.mark.parametrize(
    ("subtype", "ending"), [("PCM_16", "wav"), ("PCM_24", "wav"), ("FLOAT", "wav"), ("PCM_16", "flac")]
)
def test_pieces_are_the_whole(tmp_path, subtype, ending):
    sound = np.stack([tone(300, 7.3, 8000, seed=1), tone(500, 7.3, 8000, seed=2)], axis=1)
    path = tmp_path / f"long.{ending}"
    soundfile.write(path, sound, 8000, subtype=subtype)
    pieces = [*pieces_of(path, 8000)]
    assert [len(one) for one in pieces] == [16_000, 16_000, 16_000, 10_400]
    np.testing.assert_array_equal(np.concatenate(pieces), one_channel(decode(path.read_bytes()).samples)[0])


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 4000), (4000, 8000), (44_100, 16_000)])
@pytest.mark.parametrize("by_numpy", [False, True])
def test_no_seam_is_heard_where_the_rate_changes(rate, wanted, by_numpy, monkeypatch):
    if by_numpy:
        monkeypatch.setattr(recordings, "resampled", polyphase)
    sound = tone(330, 5.37, rate, seed=3).astype(np.float32)
    made = [*at_rate((sound[a : a + 2 * rate] for a in range(0, len(sound), 2 * rate)), rate, wanted)]
    whole = (polyphase if by_numpy else resampled)(sound, rate, wanted)
    joined = np.concatenate(made)
    assert abs(len(joined) - len(whole)) <= 1
    n = min(len(joined), len(whole)) - 1
    np.testing.assert_allclose(joined[:n], whole[:n], atol=2e-4)


def test_a_header_that_promises_more_than_there_is_gives_what_is_there(tmp_path):
    (tmp_path / "cut.wav").write_bytes(riff(np.arange(30_000, dtype="<i2").tobytes(), size=10**9))
    assert sum(map(len, pieces_of(tmp_path / "cut.wav", 8000))) == 30_000


def test_nothing_that_cannot_be_heard_is_more_than_a_sentence(tmp_path):
    cases = {
        "none.wav": (None, RequestError, "There is no recording"),
        "empty.wav": (b"", DataError, "empty.wav is empty."),
        "text.mp3": (b"hello" * 100, DataError, "text.mp3 is no sound that can be decoded"),
        "head.wav": (b"RIFF....WAVEfmt ", DataError, "head.wav is a wave file without a header"),
        "no.wav": (riff(b""), DataError, "no.wav holds no samples."),
        "nan.wav": (riff(np.full(99, np.nan, "<f4").tobytes(), tag=3, bits=32), DataError, "no finite numbers"),
        "ints.wav": (riff(np.full(99, 3e4, "<f4").tobytes(), tag=3, bits=32), DataError, "integers that are written"),
    }
    for name, (content, kind, said) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(kind) as refused:
            [*pieces_of(tmp_path / name, 8000)]
        assert said in str(refused.value), name
        assert str(refused.value).count("\n") == 0


def test_a_flac_file_that_is_cut_off_is_told_or_heard_as_far_as_it_goes(tmp_path):
    stream = io.BytesIO()
    soundfile.write(stream, tone(300, 20, 8000), 8000, format="flac")
    content = stream.getvalue()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) // 2])
    heard, told = [], ""
    try:
        heard.extend(pieces_of(tmp_path / "cut.flac", 8000))
    except DataError as error:
        told = str(error)
    assert not told or told.startswith("cut.flac is damaged where it is read on (")
    assert sum(map(len, heard)) < 160_000
    assert told or heard


def test_loud_floats_stay_in_range(tmp_path):
    write_wav(tmp_path / "x.wav", 0.9 * np.ones(100))
    (tmp_path / "loud.wav").write_bytes(riff(np.full(99, 1.7, "<f4").tobytes(), tag=3, bits=32))
    assert np.concatenate([*pieces_of(tmp_path / "loud.wav", 8000)]).max() == 1
