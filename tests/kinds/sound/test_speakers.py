"""Who speaks, by names of files: found where it is there, and not where it is not."""

import numpy as np
import pytest

from annvil.kinds.sound.reading.speakers import speakers_in

DIGITS = [
    (f"{word}_{who}_{take}.wav", word)
    for word in range(10)
    for who in ("jackson", "theo", "nicolas")
    for take in range(8)
]


def found(pairs):
    names, labels = zip(*pairs, strict=True)
    return speakers_in(names, labels)


def test_digits_of_three_speakers():
    assert found(DIGITS) == [name.split("_")[1] for name, _ in DIGITS]


def test_commands_with_codes_of_speakers():
    random = np.random.default_rng(0)
    who = [f"{code:08x}" for code in random.integers(0, 1 << 32, 20)]
    pairs = [(f"{word}/{one}_nohash_{k}.wav", word) for word in ("yes", "no", "up") for one in who for k in range(2)]
    assert found(pairs) == [name.split("/")[1].split("_")[0] for name, _ in pairs]


def test_numbers_of_speakers_at_the_beginning():
    pairs = [(f"{who}-{k}-{label}.wav", label) for who in (103, 1034, 2764) for label in "abc" for k in range(9)]
    assert found(pairs) == [name.split("-")[0] for name, _ in pairs]


@pytest.mark.parametrize(
    "pairs",
    [
        [(f"{label}_{k}.wav", label) for label in "ab" for k in range(30)],  # takes alone
        [(f"clip{k}.wav", k % 2) for k in range(40)],
        [(f"{'dog' if k % 2 else 'cat'}_{k}.wav", k % 2) for k in range(40)],  # the label again
        [(f"rec_{k:04d}.wav", k % 3) for k in range(60)],  # the same word everywhere
        [(f"{k}_{'ab'[k % 2]}{k}.wav", k % 2) for k in range(40)],  # each file is somebody else's
        [("one.wav", 0), ("two_more.wav", 1)],
        [(f"{who}_{k}.wav", who) for who in ("ann", "bob", "cem") for k in range(20)],  # who speaks is what is asked
    ],
)
def test_nobody_is_made_up(pairs):
    assert found(pairs) is None
