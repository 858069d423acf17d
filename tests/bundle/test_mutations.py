"""Damage of every kind to every part: refused, always."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from annvil.bundle import load
from annvil.errors import BundleError
from annvil.onnx.validator import check_graph

PARTS = ("manifest.json", "model.onnx", "weights.safetensors")


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one thing wrong: never the same bytes."""
    while True:
        at, until = sorted(rng.integers(0, len(content), 2).tolist())
        damaged = bytearray(content)
        match rng.integers(6):
            case 0:
                damaged[at] ^= 1 << int(rng.integers(8))
            case 1:
                damaged[at] = int(rng.integers(256))
            case 2:
                damaged = damaged[:at]
            case 3:
                damaged[at:until] = b""
            case 4:
                damaged[at:at] = damaged[at:until]
            case _:
                damaged[at:until] = rng.bytes(until - at)
        if damaged != content:
            return bytes(damaged)


def mutate_folder(path: Path, rng: np.random.Generator, times: int) -> None:
    for _ in range(times):
        part = path / PARTS[rng.integers(3)]
        whole = part.read_bytes()
        part.write_bytes(damage(whole, rng))
        with pytest.raises(BundleError):
            load(path)
        part.write_bytes(whole)
    load(path)


def mutate_zip(path: Path, rng: np.random.Generator, times: int) -> None:
    """A zip file has bytes that say nothing (dates, version made by): then every part must still be what it was."""
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in PARTS}
    for _ in range(times):
        path.write_bytes(damage(whole, rng))
        try:
            load(path)
        except BundleError:
            continue
        with zipfile.ZipFile(path) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == parts


def test_a_damaged_folder_is_refused(tmp_path, example):
    mutate_folder(example.save(tmp_path / "model"), np.random.default_rng(1), 300)


def test_a_damaged_zip_is_refused(tmp_path, example):
    mutate_zip(example.save(tmp_path / "model.zip"), np.random.default_rng(2), 300)


@pytest.mark.slow
def test_ten_thousand_damaged_models_are_refused(tmp_path, example):
    mutate_folder(example.save(tmp_path / "model"), np.random.default_rng(3), 5_000)
    mutate_zip(example.save(tmp_path / "model.zip"), np.random.default_rng(4), 5_000)


def test_every_single_byte_of_the_manifest_counts(tmp_path, example):
    path = example.save(tmp_path / "model", weights=None) / "manifest.json"
    whole = path.read_bytes()
    for at in range(len(whole)):
        with path.open("r+b") as stream:
            os.pwrite(stream.fileno(), bytes([whole[at] ^ 0x20]), at)
        with pytest.raises(BundleError):
            load(path.parent)
        with path.open("r+b") as stream:
            os.pwrite(stream.fileno(), whole[at : at + 1], at)


def test_damaged_graphs_are_read_or_refused_but_nothing_else(example):
    """The reader of graphs meets bytes whose SHA-256 is right, from whoever made them: it may only say yes or no."""
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(2_000):
        try:
            check_graph(damage(example.graph, rng))
        except BundleError:
            refused += 1
    assert refused > 1_000
