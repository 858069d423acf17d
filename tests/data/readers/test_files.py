"""Paths: what is read, what is refused before it can do harm, and in which words."""

from __future__ import annotations

import gzip
import resource
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from annvil.data.readers.files import read_file
from annvil.errors import DataError, RequestError

CSV = b"a,b\n1,x\n2,y\n"


def test_missing_file_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "heart.csv").write_bytes(CSV)
    with pytest.raises(RequestError, match=r"There is no file .*haert.csv'. Did you mean 'heart.csv'\?"):
        read_file(tmp_path / "haert.csv")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is a folder"):
        read_file(tmp_path)


def test_unknown_ending(tmp_path: Path) -> None:
    path = tmp_path / "t.docx"
    path.write_bytes(CSV)
    with pytest.raises(RequestError, match=r"no reader for files that end in '.docx'"):
        read_file(path)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.gz", "t.zip", "t.csv.zip"])
def test_packed_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(CSV))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", CSV)
            archive.writestr("__MACOSX/t.csv", b"junk")
    raw = read_file(path)
    assert raw["a"].values.tolist() == [1, 2]
    assert name.rsplit(".", 1)[1] in raw.source.details


def test_a_zip_with_several_tables(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", CSV)
    with pytest.raises(DataError, match=r"t.zip holds 2 files"):
        read_file(path)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.zip", "t.parquet", "t.feather", "t.xlsx"])
def test_damaged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match=name):
        read_file(path)


def test_cut_gzip(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(CSV * 1000)[:-20])
    with pytest.raises(DataError, match="damaged"):
        read_file(path)


@pytest.mark.parametrize("kind", ["gz", "zip", "lying zip"])
def test_bombs_are_refused_early_and_in_little_memory(tmp_path: Path, kind: str) -> None:
    """300 MB of zeros pack into 1 MB; a zip whose directory lies about the size is caught while unpacking."""
    path = tmp_path / f"bomb.{kind.split()[-1]}"
    zeros = b"0" * 2**20
    if kind == "gz":
        with gzip.open(path, "wb", compresslevel=1) as stream:
            for _ in range(300):
                stream.write(zeros)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("t.csv", "w", force_zip64=False) as stream:
                for _ in range(300):
                    stream.write(zeros)
            if kind == "lying zip":
                archive.filelist[0].file_size = 1000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"would grow more than 100 times|damaged"):
        read_file(path)
    assert time.perf_counter() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # kB on Linux


def test_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "t.csv"
    path.write_bytes(CSV)
    source = read_file(path).source
    assert source.sha256 == hashlib.sha256(CSV).hexdigest()
    assert source.n_bytes == len(CSV)
    assert source.details == "comma-separated, utf-8"


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("a,b\n1,é\n".encode("latin-1")))
    assert np.array_equal(read_file(path)["a"].values, [1])
    assert list(temporary.iterdir()) == []
