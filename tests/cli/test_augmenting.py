"""`annvil augment` on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def arrays(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "photos.npz"
    np.savez(path, X=random.integers(0, 256, (24, 8, 8), dtype=np.uint8), y=np.arange(24) % 2)
    return path


def test_it_says_what_it_wrote_and_how(annvil, arrays, tmp_path):
    out = tmp_path / "bigger"
    shown = annvil("augment", arrays, "--times", "2", "-o", out, "--with", "shift=1,flip=random")
    assert shown.exit_code == 0, shown.output
    said = " ".join(shown.stdout.split())
    assert "24 pictures and 2 copies of each" in said
    assert "Copies have shifts of 1 pixel, flips." in said
    assert "look at contact-sheet.png" in said
    assert len(list(out.rglob("*.png"))) == 24 * 3 + 1


def test_as_json(annvil, arrays, tmp_path):
    out = tmp_path / "bigger"
    told = json.loads(annvil("augment", arrays, "--times", "1", "-o", out, "--json", "--jpeg").stdout)
    assert (told["originals"], told["pictures"]) == (24, 48)
    assert told["augmentation"]["shift"] == 1
    assert len(list(out.rglob("*.jpg"))) == 48


def test_a_wrong_strength_is_one_sentence(annvil, arrays, tmp_path):
    shown = annvil("augment", arrays, "-o", tmp_path / "bigger", "--with", "shfit=2")
    assert shown.exit_code != 0
    assert "there is no 'shfit'" in shown.stderr
    assert not (tmp_path / "bigger").exists()
