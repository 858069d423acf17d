"""Files that the user names are written as other programs write them; what a run keeps replaces what is there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from annvil.errors import DataError, MachineError
from annvil.files import from_here, read_kept, write_atomically, write_where_told

posix = pytest.mark.skipif(os.name != "posix", reason="devices, pipes and links of POSIX")


@posix
def test_a_device_stays_a_device(tmp_path):
    """A device of one's own: a pseudo-terminal."""
    main, other = os.openpty()
    try:
        path = Path(os.ttyname(other))
        write_where_told(path, b"hello")
        assert os.read(main, 10) == b"hello"
        assert stat.S_ISCHR(path.stat().st_mode)
    finally:
        os.close(main)
        os.close(other)


@posix
def test_a_pipe_is_written_into(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_where_told(path, b"hello")
    assert os.read(reader, 10) == b"hello"
    os.close(reader)


@posix
def test_standard_output_is_a_file_that_goes_on(tmp_path):
    with (tmp_path / "out").open("wb") as stream:
        stream.write(b"before ")
        stream.flush()
        write_where_told(Path(f"/dev/fd/{stream.fileno()}"), b"hello")
    assert (tmp_path / "out").read_bytes() == b"before hello"


@posix
@pytest.mark.parametrize("there", [True, False])
def test_what_a_link_points_to_is_written(tmp_path, there):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    if there:
        target.write_bytes(b"old")
    write_where_told(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@posix
def test_a_link_in_a_run_is_replaced_and_leads_nowhere_else(tmp_path):
    """Or a run of somebody else's could have our files written over."""
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "report.html").symlink_to(tmp_path / "precious")
    write_atomically(tmp_path / "report.html", b"page")
    assert (tmp_path / "precious").read_bytes() == b"mine"


@posix
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_only_ordinary_files_are_read_again(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(DataError, match=r"x is damaged \(it is no ordinary file"):
        read_kept(tmp_path / "x", bytes)


@posix
def test_a_link_in_a_circle_is_told(tmp_path):
    (tmp_path / "x").symlink_to("x")
    with pytest.raises(MachineError, match="Cannot read"):
        read_kept(tmp_path / "x", bytes)


def test_a_path_is_told_without_the_user(tmp_path, monkeypatch):
    home = tmp_path / "somebody"
    (home / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(home / "work")
    assert from_here(home / "work" / "a" / "b.csv") == Path("a/b.csv")
    assert from_here(Path("a/b.csv")) == Path("a/b.csv")
    assert from_here(home / "runs" / "x-1") == Path("runs/x-1")
    assert from_here(Path("../../somebody/runs/x-1")) == Path("runs/x-1")
    monkeypatch.chdir(tmp_path)
    assert from_here(home / "runs" / "x-1") == Path("runs/x-1")
    monkeypatch.chdir(tmp_path.anchor)
    assert from_here(tmp_path / "elsewhere" / "runs" / "x-1") == Path("elsewhere/runs/x-1")
