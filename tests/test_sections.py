"""Sections: PNG files that a second library reads, and files that come back as they were written."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from annvil.errors import DataError
from annvil.sections import Picture, Rows, Section, enlargement, png, read_sections, write_sections


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (6, 4, 3)])
def test_another_library_reads_the_same_pixels(shape: tuple[int, ...]) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    read = np.asarray(image.open(io.BytesIO(png(pixels))))
    assert np.array_equal(read, pixels.squeeze())


def test_enlarged_every_pixel_is_a_square() -> None:
    image = pytest.importorskip("PIL.Image")
    read = np.asarray(image.open(io.BytesIO(png(np.array([[0, 255]], dtype=np.uint8), enlarge=2))))
    assert read.tolist() == [[0, 0, 255, 255], [0, 0, 255, 255]]
    assert enlargement(8, 8) == 12
    assert enlargement(400, 300) == 1


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8 with 1 or 3 channels, not float64"):
        png(np.zeros((2, 2)))


def test_they_come_back_in_order(tmp_path: Path) -> None:
    picture = Picture(png(np.zeros((1, 1), dtype=np.uint8)), "cat", flagged=True)
    table = Rows(("what", "dense"), (("accuracy", "0.9"),))
    second, first = Section("b", "Second", order=1), Section("a", "First", ("Look.",), (picture,), (table,), order=0)
    write_sections(tmp_path, [second, first])
    assert read_sections(tmp_path) == (first, second)
    assert read_sections(tmp_path / "nowhere") == ()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DataError, match=r"a\.json is damaged"):
        read_sections(tmp_path)
