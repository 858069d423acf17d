"""`annvil pretrain` and the options of `annvil fit` that start from what it made."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from annvil.kinds.pictures.starts.pretrained import is_start


@pytest.fixture
def photos(tmp_path):
    digits = load_digits()
    for row in range(60):
        folder = tmp_path / "photos" / str(digits.target[row])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[row] * 15.9).astype(np.uint8)).save(folder / f"{row}.png")
    return tmp_path / "photos"


def test_a_network_is_made_and_told_of(annvil, photos, tmp_path):
    result = annvil("pretrain", photos, "-o", tmp_path / "net", "--size", "8", "--epochs", "1", "--no-turns")
    assert result.exit_code == 0, result.output
    assert "learnt from 60 pictures" in result.stdout
    assert f"--from {tmp_path / 'net'}" in result.stdout
    assert "Epoch 1 of 1" in result.stderr
    assert is_start(tmp_path / "net")
    again = annvil("pretrain", photos, "-o", tmp_path / "net", "--size", "8", "--epochs", "1", "--no-turns", "-q")
    assert again.exit_code == 0
    assert again.stderr == ""


def test_what_cannot_be_started_from_is_said_before_anything_is_read(annvil, photos, tmp_path):
    nothing = annvil("fit", photos, "--from", tmp_path / "nowhere", "-o", tmp_path / "runs")
    assert nothing.exit_code != 0
    assert "There is nothing at" in " ".join(nothing.stderr.split())
    both = annvil("fit", photos, "--from", tmp_path, "--backbone", "google/vit", "-o", tmp_path / "runs")
    assert "either a start" in " ".join(both.stderr.split())
    assert not (tmp_path / "runs").exists()
