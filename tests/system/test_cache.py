"""What is kept between runs: for the user alone, bounded, listed and emptied."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from annvil.system import cache


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "annvil"


def entry(folder: Path, name: str, n_bytes: int, age: float = 0.0) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "pixels.npy").write_bytes(bytes(n_bytes))
    os.utime(folder / name, (time.time() - age,) * 2)
    return folder / name


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
@pytest.mark.parametrize("before", [None, 0o755, 0o777, 0o700])
def test_the_folder_is_for_the_user_alone(root: Path, before: int | None) -> None:
    if before is not None:
        (root / "images").mkdir(parents=True)
        (root / "images").chmod(before)
    assert cache.private_folder("images").stat().st_mode & 0o777 == 0o700


def test_a_folder_of_somebody_else_is_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.private_folder("images")
    monkeypatch.setattr(cache.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError):
        cache.private_folder("images")


def test_what_was_used_longest_ago_gives_way(root: Path) -> None:
    folder = cache.private_folder("images")
    old, new = entry(folder, "old", 600, 100), entry(folder, "new", 600, 1)
    dead, alive = entry(folder, ".x.part", 9, 2 * cache.UNFINISHED_SECONDS), entry(folder, ".y.part", 9)
    cache.make_room(folder, 1_300)
    assert old.exists()
    assert not dead.exists()
    cache.make_room(folder, 1_000)
    assert (old.exists(), new.exists(), alive.exists()) == (False, True, True)


def test_listing_and_clearing(root: Path) -> None:
    assert cache.all_kept() == []
    folder = cache.private_folder("images")
    entry(folder, "a", 1_000, 10)
    alive = entry(folder, ".b.part", 50)
    (root / "machine.json").write_text("{}")
    assert {(one.path.name, one.n_bytes) for one in cache.all_kept()} == {
        ("a", 1_000),
        (".b.part", 50),
        ("machine.json", 2),
    }
    assert {one.path.name for one in cache.clear()} == {"a", "machine.json"}
    assert [one.path for one in cache.all_kept()] == [alive]
