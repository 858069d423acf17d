"""Folders and archives as people and strangers leave them: either a data set, or one clear sentence."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from tests.pictures import drawn, encoded, folder_of, header_only

from annvil.data.splits import outer_splits
from annvil.errors import AnnvilError, DataError
from annvil.kinds.pictures.conform import conform_images
from annvil.kinds.registry import audit, read

NAMES = [
    "cat", "dog", "Cat ", " ", "train", "test", "val", "a" * 255, "猫" * 80, "caf\u00e9", "cafe\u0301", "\u202egnp.exe",
    "-rf", "new\nline", "tab\t", "quo'te\"", "<b>", "%s{0}", "..png", ".hidden", "__MACOSX", "CON", "labels", "0",
]  # fmt: skip
SUFFIXES = [".png", ".PNG", ".jpg", ".gif", ".webp", ".tif", ".bmp", ".txt", ".csv", "", ".npy", ".p.jpg", "-ubyte"]


def _animated() -> bytes:
    import io

    frames = [Image.fromarray(drawn(seed, channels=1)) for seed in range(3)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def _contents(generator: random.Random) -> bytes:
    """The content of one file: a picture of some kind, or no picture."""
    seed = generator.randrange(10**6)
    size = generator.choice([(12, 12), (1, 1), (1, 300), (300, 1), (40, 9), (200, 210)])
    whole = encoded(drawn(seed, *size), generator.choice(["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"]))
    kind = generator.randrange(14)
    if kind < 6:
        return whole
    damaged = bytearray(whole)
    for _ in range(generator.randrange(1, 20)):
        damaged[generator.randrange(len(damaged))] = generator.randrange(256)
    cmyk = Image.fromarray(drawn(seed)).convert("CMYK")
    import io

    stream = io.BytesIO()
    cmyk.save(stream, "TIFF" if seed % 2 else "JPEG")
    return {
        6: b"",
        7: whole[: generator.randrange(len(whole))],
        8: b"path,label\ncat.png,cat\n",
        9: bytes(damaged),
        10: header_only(generator.choice([20_000, 2**31 - 1, 0]), 20_000),
        11: _animated(),
        12: stream.getvalue(),
        13: generator.randbytes(generator.randrange(300)),
    }[kind]


def _tree(seed: int) -> list[tuple[str, bytes]]:
    generator = random.Random(seed)
    some = generator.sample(NAMES, generator.randrange(1, 5))
    files = []
    for number in range(generator.choice([0, 1, 5, 30, 60])):
        folders = [generator.choice(some) for _ in range(generator.choice([0, 1, 1, 1, 2, 3]))]
        stem = generator.choice([str(number), str(number), generator.choice(NAMES)[:200].replace("猫", "x")])
        files.append(("/".join([*folders, stem + generator.choice(SUFFIXES)]), _contents(generator)))
    if generator.random() < 0.6:  # enough that a data set can come of it
        files += [(f"{name}/{i}.png", encoded(drawn(generator.randrange(10**6)))) for name in "xy" for i in range(12)]
    return files


def _survives(source: Path) -> None:
    """A data set that can be audited and split, or one sentence."""
    try:
        dataset = read(source)
    except AnnvilError as error:
        text = str(error)
        assert text.endswith((".", ")", "?")), text
        assert "\n" not in text, text
        assert len(text) < 700, text
        return
    assert dataset.inputs.pixels(slice(0, 3)).dtype == np.uint8
    for finding in audit(dataset):
        assert finding.what
        finding.what.encode("utf-8")
    dataset.source.details.encode("utf-8")
    if len(np.unique(dataset.groups)) >= 3:
        for rows in outer_splits(dataset, 3, 1, 0)[0]:
            assert not set(dataset.groups[rows.train]) & set(dataset.groups[rows.test])


def _as_folder(files: list[tuple[str, bytes]], root: Path) -> None:
    for name, content in files:
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:
            continue


def _as_archive(files: list[tuple[str, bytes]], path: Path, generator: random.Random) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that occur twice
        with zipfile.ZipFile(path, "w", generator.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for name, content in files:
                archive.writestr(generator.choice(["", "", "../", "/", "C:\\"]) + name, content)
    if generator.random() < 0.3:  # damaged on the way
        content = bytearray(path.read_bytes())
        for _ in range(generator.randrange(1, 30)):
            content[generator.randrange(len(content))] = generator.randrange(256)
        path.write_bytes(content)


def _try(seed: int) -> None:
    root = Path(tempfile.mkdtemp(prefix="annvil-hostile-"))
    try:
        files = _tree(seed)
        (root / "data").mkdir()
        _as_folder(files, root / "data")
        _survives(root / "data")
        _as_archive(files, root / "data.zip", random.Random(seed))
        _survives(root / "data.zip")
    finally:
        shutil.rmtree(root, ignore_errors=True)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_hostile_folders_and_archives(seed):
    _try(seed)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_many_hostile_folders_and_archives(seed):
    _try(seed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_hostile_files_to_predict(seed):
    from annvil.kinds.pictures.form import PictureForm

    try:
        images, _ = conform_images(_contents(random.Random(seed)), PictureForm(9, 7, 3))
    except DataError as error:
        message = str(error)
    else:
        message = ""
        assert images.pixels().shape == (1, 9, 7, 3)
    assert "\n" not in message


@pytest.fixture
def pets(tmp_path):
    return folder_of(tmp_path / "pets", {"cat": 15, "dog": 15})


def test_everything_at_once(pets, tmp_path):
    """What can be a row is one, whatever it is called; what cannot is named with its reason."""
    cmyk = tmp_path / "c.jpg"
    Image.fromarray(drawn(901)).convert("CMYK").save(cmyk)
    rows = {
        "cat/one pixel.png": encoded(drawn(902, 1, 1)),
        "cat/moving.gif": _animated(),
        "dog/print.jpg": cmyk.read_bytes(),
        "dog/" + "n" * 251 + ".png": encoded(drawn(903)),
        "dog/\u732b\u202egnp.png": encoded(drawn(904)),
        "dog/a photo.txt.png": encoded(drawn(905)),
    }
    broken = {
        "cat/empty.png": (b"", "is empty (0 bytes)"),
        "cat/half.png": (encoded(drawn(906, 90, 90))[:900], "is damaged: "),
        "cat/letter.jpg": (b"Dear all,\n", "holds text, not a picture"),
        "dog/bomb.png": (header_only(20_000, 20_000), "has 400 million pixels by its header"),
    }
    for name, content in rows.items():
        (pets / name).write_bytes(content)
    for name, (content, _) in broken.items():
        (pets / name).write_bytes(content)
    dataset = read(pets)
    assert dataset.n_rows == 30 + len(rows)
    assert {left.name for left in dataset.inputs.store.left_out} == set(broken)
    for left in dataset.inputs.store.left_out:
        assert left.reason.startswith(broken[left.name][1])
    assert "1 picture has several frames or pages; the first one counts" in dataset.source.details
    for name, (_, reason) in broken.items():
        with pytest.raises(DataError) as refused:
            conform_images(pets / name, dataset.inputs.form)
        assert reason in str(refused.value)


def test_loops_of_links_and_links_to_nowhere(pets, tmp_path):
    (pets / "cat" / "loop").symlink_to(pets)
    (pets / "cat" / "self").symlink_to(pets / "cat")
    (pets / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (pets / "dog" / "circle.png").symlink_to(pets / "dog" / "circle.png")
    dataset = read(pets)
    assert dataset.n_rows == 30
    assert sorted(left.name for left in dataset.inputs.store.left_out) == ["dog/circle.png", "dog/gone.png"]


def test_class_folders_that_are_links(pets, tmp_path):
    (tmp_path / "linked").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "linked" / name).symlink_to(pets / name)
    assert read(tmp_path / "linked").n_rows == 30


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(pets):
    os.mkfifo(pets / "cat" / "pipe.png")
    (left,) = read(pets).inputs.store.left_out
    assert (left.name, left.reason) == ("cat/pipe.png", "is not an ordinary file")


def test_what_systems_leave_behind_is_not_looked_at(pets):
    for name in (".DS_Store", "._0.png", "Thumbs.db"):
        (pets / "cat" / name).write_bytes(b"junk")
    (pets / ".thumbnails").mkdir()
    (pets / ".thumbnails" / "0.png").write_bytes(encoded(drawn(1)))
    dataset = read(pets)
    assert dataset.n_rows == 30
    assert dataset.inputs.store.left_out == ()


def test_names_that_are_no_text(pets):
    name = b"caf\xe9.png"
    (Path(os.fsdecode(os.path.join(os.fsencode(pets / "cat"), name)))).write_bytes(encoded(drawn(500)))
    dataset = read(pets, workers=2)
    assert dataset.n_rows == 31
    for finding in audit(dataset):
        finding.what.encode("utf-8")
    dataset.source.details.encode("utf-8")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_that_may_not_be_read(pets):
    (pets / "cat" / "0.png").chmod(0)
    (left,) = read(pets).inputs.store.left_out
    assert left.reason == "cannot be read: Permission denied"
    (pets / "dog").chmod(0)
    with pytest.raises(AnnvilError, match="may not be read"):
        read(pets)
    (pets / "dog").chmod(0o755)


@pytest.mark.parametrize("seed", [1282, 2265, 2387, 5267])
def test_what_once_broke_it(seed):
    _try(seed)


def test_a_protected_archive(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/0.png", encoded(drawn(1)))
    content = bytearray(path.read_bytes())
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + at] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="protected by a password"):
        read(path)
