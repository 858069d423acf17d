"""Ten kinds of file that somebody may hand over, made by seeded generators: one sentence each, and the rest is read."""

import io
import struct

import numpy as np
import pytest
import soundfile
from tests.kinds.sound.made import riff, tone, words

import annvil
from annvil.errors import AnnvilError
from annvil.kinds.sound.reading.broken import Broken
from annvil.kinds.sound.reading.cleaning import cleaned
from annvil.kinds.sound.reading.decoding import decode

EACH = 30


def good(random, kind="WAV"):
    stream = io.BytesIO()
    soundfile.write(stream, tone(300, 0.1, 8000, seed=int(random.integers(1 << 30))), 8000, format=kind)
    return stream.getvalue()


def noise(random):
    return random.bytes(int(random.integers(0, 3000)))


def beginning_alone(random):
    """What sound files begin with, and then anything."""
    magic = [
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"fLaC",
        b"OggS",
        b"ID3\x04",
        b"\xff\xfb\x90\x00",
        b"FORM\0\0\1\0AIFF",
        b".snd",
    ]
    return magic[random.integers(len(magic))] + random.bytes(int(random.integers(0, 2000)))


def cut_off(random):
    content = good(random, ["WAV", "FLAC", "OGG", "MP3"][random.integers(4)])
    return content[: int(random.integers(0, len(content)))]


def flipped_bits(random):
    content = bytearray(good(random, ["WAV", "FLAC", "OGG", "MP3"][random.integers(4)]))
    for at in random.integers(0, len(content), 30):
        content[at] ^= 1 << int(random.integers(8))
    return bytes(content)


def lying_sizes(random):
    data = random.bytes(int(random.integers(0, 800)))
    return riff(
        data, size=int(random.integers(0, 1 << 32)), before=b"LIST" + struct.pack("<I", random.integers(1 << 32))
    )


def impossible_layouts(random):
    tag, channels, align, bits = random.integers(0, 1 << 16, 4)
    if random.random() < 0.7:
        tag, bits = random.choice([1, 3, 6, 7, 0xFFFE]), random.choice([0, 1, 8, 13, 16, 24, 32, 64])
    header = struct.pack("<HHIIHH", tag, channels % 70, random.integers(1 << 32), 1, align, bits)
    return riff(random.bytes(400), header=header)


def wild_numbers(random):
    values = random.choice([np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-42, 0.5, 70_000.0], 300)
    return riff(values.astype("<f4").tobytes(), tag=3, bits=32)


def no_samples(random):
    return riff(b"\0" * int(random.integers(0, 2)), channels=int(random.integers(1, 60)))


def bombs(random):
    """A few bytes that say they are hours."""
    if random.random() < 0.5:
        return riff(b"\0\0", size=0xFFFFFFF0, rate=8000)[: int(random.integers(40, 46))]
    flac = bytearray(good(random, "FLAC"))
    flac[21:26] = bytes([flac[21] | 0x0F, 0xFF, 0xFF, 0xFF, 0xFF])  # total samples: 2^36 - 1
    return bytes(flac)


def other_files(random):
    kinds = [
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"<html><body>404</body></html>",
        b"#!/bin/sh\nrm -rf /\n",
    ]
    return kinds[random.integers(len(kinds))] + random.bytes(int(random.integers(0, 500)))


KINDS = [
    noise, beginning_alone, cut_off, flipped_bits, lying_sizes, impossible_layouts, wild_numbers, no_samples, bombs,
    other_files,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_read_or_refused_in_a_sentence(kind):
    for seed in range(EACH):
        content = kind(np.random.default_rng(seed))
        try:
            made, facts = cleaned(decode(content), 8000, len(content))
        except Broken as broken:
            said = str(broken)
            assert 5 < len(said) < 200, (kind, seed)
            assert said[0].islower(), said
            assert "\n" not in said
            assert not said.endswith("."), said
        else:
            assert made.ndim == 1
            assert len(made) >= 1
            assert np.isfinite(made).all(), (kind, seed)
            assert np.abs(made).max() <= 1
            assert facts["level"] <= 0.01


def test_none_of_them_stops_the_others(tmp_path):
    root = words(tmp_path / "clips", speakers=("ann", "bob", "cem", "dee"), takes=40)
    for kind in KINDS:
        for seed in range(EACH):
            ending = (".wav", ".flac", ".mp3", ".ogg")[seed % 4]
            (root / ("up", "down")[seed % 2] / f"{kind.__name__}_{seed}{ending}").write_bytes(
                kind(np.random.default_rng(seed))
            )
    dataset = annvil.read(root)
    good_names = {name for name in dataset.inputs.names() if name.split("/")[1][:3] in ("ann", "bob", "cem", "dee")}
    assert len(good_names) == 320
    left = dataset.inputs.store.left_out
    assert dataset.n_rows + len(left) == 320 + EACH * len(KINDS)
    assert len(left) > 150
    told = next(one for one in dataset.inputs.store.said if "left out" in one)
    assert told.startswith(f"{len(left)} files left out: ")


def test_one_file_to_predict_is_refused_in_a_sentence(tmp_path):
    form = annvil.read(words(tmp_path / "clips")).inputs.form
    for kind in KINDS:
        for seed in range(6):
            path = tmp_path / f"{kind.__name__}-{seed}.wav"
            path.write_bytes(kind(np.random.default_rng(seed)))
            said, clips = asked(form, path)
            assert said is None or (path.name in said and said.endswith(".") and "\n" not in said), said
            assert clips is None or np.isfinite(clips.padded()[0]).all()


def asked(form, path):
    """What is said of a file that cannot be used, or the clips."""
    try:
        return None, form.conform(str(path)).inputs
    except AnnvilError as error:
        return str(error), None
