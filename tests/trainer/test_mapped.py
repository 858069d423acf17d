"""Arrays in files are trained from as they lie there."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import nn

import annvil


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what is mapped")
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_mapped_array_is_read_ahead_and_gives_the_same(tmp_path, dtype):
    values = np.random.default_rng(0).uniform(0, 250, (1400, 28, 28)).astype(dtype)
    y = (values[:, 3, 3] > 125).astype(int)
    np.save(tmp_path / "X.npy", values)
    found = []
    for X in (values, np.load(tmp_path / "X.npy", mmap_mode="r")):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, 4), nn.ReLU(), nn.Linear(4, 2))
        found.append(annvil.train(network, X, y, validation=0.25, epochs=2, verbose=False))
    memory, file = found
    assert memory.history["val_loss"] == file.history["val_loss"]
    assert str(tmp_path / "X.npy") in file.choices["reading"]
    assert "reading" not in memory.choices
