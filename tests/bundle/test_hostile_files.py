"""Files that are no models, or hide other files: refused in one sentence, and nothing of them runs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import socket
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annvil.bundle import load
from annvil.errors import BundleError

Build = Callable[[Path, Any], Path]
CASES: dict[str, Build] = {}


class Trap:
    """Pickled, it writes the canary file when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.canary}",))


def _case(name: str) -> Callable[[Build], Build]:
    def keep(build: Build) -> Build:
        assert name not in CASES
        CASES[name] = build
        return build

    return keep


# Files of other kinds -------------------------------------------------------------------------------------------------


def _foreign(name: str, make: Callable[[Path], bytes]) -> None:
    """One file under the name of a zip, and the same bytes as each of the three parts of a folder."""

    def alone(folder: Path, example: Any) -> Path:
        path = folder / "model.zip"
        path.write_bytes(make(folder / "canary"))
        return path

    CASES[f"{name}, alone"] = alone
    for part in ("manifest.json", "model.onnx", "weights.safetensors"):

        def inside(folder: Path, example: Any, part: str = part) -> Path:
            path = example.save(folder / "model")
            (path / part).write_bytes(make(folder / "canary"))
            return path

        CASES[f"{name}, as {part}"] = inside


def _zip_of(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return packed.getvalue()


def _tar_of(*members: tuple[str, bytes, str], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return packed.getvalue()


def _npy_of_objects(canary: Path) -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([Trap(canary)], dtype=object), allow_pickle=True)
    return content.getvalue()


_foreign("a pickle", lambda canary: pickle.dumps(Trap(canary)))
_foreign("a pickle, protocol 0", lambda canary: pickle.dumps(Trap(canary), protocol=0))
_foreign("a compressed pickle, as joblib writes", lambda canary: zlib.compress(pickle.dumps(Trap(canary))))
_foreign("a gzipped pickle", lambda canary: gzip.compress(pickle.dumps(Trap(canary)), mtime=0))
_foreign("a bzipped pickle", lambda canary: bz2.compress(pickle.dumps(Trap(canary))))
_foreign("an lzma pickle", lambda canary: lzma.compress(pickle.dumps(Trap(canary))))
_foreign(
    "a .pt file",
    lambda canary: _zip_of(
        archive__data__pkl=pickle.dumps(Trap(canary)), archive__version=b"3\n", archive__data__0=b"\0"
    ),
)
_foreign(
    "a .keras file",
    lambda canary: _zip_of(
        **{
            "config.json": b'{"class_name": "Lambda", "config": {"function": "os.system"}}',
            "model.weights.h5": b"\x89HDF",
        }
    ),
)
_foreign("a .skops file", lambda canary: _zip_of(**{"schema.json": b'{"__class__": "Card", "__module__": "os"}'}))
_foreign("a NumPy file of objects", _npy_of_objects)
_foreign("a tar with a symbolic link", lambda canary: _tar_of(("model.onnx", tarfile.SYMTYPE, "/etc/passwd")))
_foreign("a tar with a hard link", lambda canary: _tar_of(("model.onnx", tarfile.LNKTYPE, "/etc/passwd")))
_foreign("a tar.gz with a slip", lambda canary: _tar_of(("../canary", tarfile.REGTYPE, ""), mode="w:gz"))
_foreign("an empty file", lambda canary: b"")
_foreign("zeros", lambda canary: bytes(5000))
_foreign("random bytes", lambda canary: np.random.default_rng(0).bytes(5000))
_foreign("a Python file", lambda canary: f"open({str(canary)!r}, 'w')\n".encode())
_foreign("an HDF5 file", lambda canary: b"\x89HDF\r\n\x1a\n" + bytes(500))
_foreign("a picture", lambda canary: b"\x89PNG\r\n\x1a\n" + bytes(500))
_foreign("a page", lambda canary: b"<html><script>alert(1)</script></html>")
_foreign("safetensors", lambda canary: struct.pack("<Q", 2) + b"{}")
_foreign("safetensors with a huge header", lambda canary: struct.pack("<Q", 1 << 62) + b"{}")


@_case("nothing at all")
def _(folder: Path, example: Any) -> Path:
    return folder / "model"


@_case("a name that no file can have")
def _(folder: Path, example: Any) -> Path:
    return folder / "mo\0del"


@_case("an empty folder")
def _(folder: Path, example: Any) -> Path:
    return folder


@_case("a pipe that nobody writes to")
def _(folder: Path, example: Any) -> Path:
    os.mkfifo(folder / "model.zip")
    return folder / "model.zip"


@_case("an endless device")
def _(folder: Path, example: Any) -> Path:
    return Path("/dev/zero")


@_case("a socket")
def _(folder: Path, example: Any) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket may have 108 bytes
        try:
            listener.bind("model.zip")
        finally:
            os.chdir(here)
    return folder / "model.zip"


@_case("a dangling link")
def _(folder: Path, example: Any) -> Path:
    (folder / "model.zip").symlink_to(folder / "elsewhere.zip")
    return folder / "model.zip"


@_case("only the graph")
def _(folder: Path, example: Any) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(example.graph)
    return path


# Parts of a folder that are no plain files ----------------------------------------------------------------------------

for part_name in ("manifest.json", "model.onnx", "weights.safetensors"):

    @_case(f"{part_name} is a symbolic link to the true one")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        (path / part).rename(folder / part)
        (path / part).symlink_to(folder / part)
        return path

    @_case(f"{part_name} is a relative link that leaves the folder")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        (path / part).rename(folder / part)
        (path / part).symlink_to(Path("..") / part)
        return path

    @_case(f"{part_name} is a hard link to the true one")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        os.link(path / part, folder / part)
        return path

    @_case(f"{part_name} is a folder")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        (path / part).unlink()
        (path / part).mkdir()
        return path

    @_case(f"{part_name} is a pipe")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        (path / part).unlink()
        os.mkfifo(path / part)
        return path

    @_case(f"{part_name} is missing")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        (path / part).unlink()
        return path

    @_case(f"{part_name} has a byte too many")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        with (path / part).open("ab") as stream:
            stream.write(b"\n")
        return path

    @_case(f"{part_name} is cut short")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        os.truncate(path / part, (path / part).stat().st_size - 1)
        return path

    @_case(f"{part_name} is a terabyte of holes")
    def _(folder: Path, example: Any, part: str = part_name) -> Path:
        path = example.save(folder / "model")
        os.truncate(path / part, 1 << 40)
        return path


# Zip files ------------------------------------------------------------------------------------------------------------


def _packed(folder: Path, example: Any, change: Callable[[zipfile.ZipFile, dict[str, bytes]], None]) -> Path:
    """A zip whose members ``change`` writes, given the parts of an honest one."""
    honest = example.save(folder / "honest")
    parts = {file.name: file.read_bytes() for file in sorted(honest.iterdir())}
    path = folder / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        change(archive, parts)
    return path


def _all(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
    for name, content in parts.items():
        archive.writestr(name, content)


for slip in (
    "../canary",
    "../../canary",
    "/tmp/canary",
    "a/../../canary",
    "..\\canary",
    "C:\\canary",
    "\\\\host\\canary",
    "model/../../canary",
    "./canary",
    "canary/",
    "data.pkl",
    "../manifest.json",
    "/manifest.json",
    "./model.onnx",
    "sub/model.onnx",
    "MODEL.ONNX",
    "model.onnx\0.txt",
    "__init__.py",
):

    @_case(f"a zip with the member {slip!r} besides")
    def _(folder: Path, example: Any, slip: str = slip) -> Path:
        def change(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
            _all(archive, parts)
            member = zipfile.ZipInfo("x")
            member.filename = slip  # past the cleaning that the constructor does
            archive.writestr(member, b"hello")

        return _packed(folder, example, change)


for linked in ("manifest.json", "model.onnx", "weights.safetensors"):

    @_case(f"a zip in which {linked} is a symbolic link")
    def _(folder: Path, example: Any, linked: str = linked) -> Path:
        def change(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
            for name, content in parts.items():
                member = zipfile.ZipInfo(name)
                if name == linked:
                    member.external_attr = (stat.S_IFLNK | 0o777) << 16  # its bytes are the true ones all the same
                archive.writestr(member, content)

        return _packed(folder, example, change)

    @_case(f"a zip in which {linked} says it is encrypted")
    def _(folder: Path, example: Any, linked: str = linked) -> Path:
        path = _packed(folder, example, _all)
        content = bytearray(path.read_bytes())
        at = content.index(b"PK\x01\x02")
        while content[at + 46 : at + 46 + len(linked)] != linked.encode():
            at = content.index(b"PK\x01\x02", at + 4)
        content[at + 8] |= 1
        path.write_bytes(content)
        return path

    @_case(f"a zip with {linked} twice")
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def _(folder: Path, example: Any, linked: str = linked) -> Path:
        def change(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
            _all(archive, parts)
            member = zipfile.ZipInfo("x")
            member.filename = linked
            archive.writestr(member, parts[linked])

        return _packed(folder, example, change)

    @_case(f"a zip with a bomb for {linked}")
    def _(folder: Path, example: Any, linked: str = linked) -> Path:
        def change(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
            _all(archive, {**parts, linked: bytes(20 << 20)})

        return _packed(folder, example, change)

    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):

        @_case(f"a zip with {linked} packed by method {method}")
        def _(folder: Path, example: Any, linked: str = linked, method: int = method) -> Path:
            def change(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
                for name, content in parts.items():
                    archive.writestr(name, content, method if name == linked else None)

            return _packed(folder, example, change)


for absent in ("manifest.json", "model.onnx", "weights.safetensors"):

    @_case(f"a zip without {absent}")
    def _(folder: Path, example: Any, absent: str = absent) -> Path:
        def change(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
            _all(archive, {name: content for name, content in parts.items() if name != absent})

        return _packed(folder, example, change)


@_case("a zip with weights that its manifest does not list")
def _(folder: Path, example: Any) -> Path:
    path = example.save(folder / "model.zip", weights=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("weights.safetensors", pickle.dumps(Trap(folder / "canary")))
    return path


@_case("a zip of 100 000 members")
def _(folder: Path, example: Any) -> Path:
    def change(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
        for number in range(100_000 // 50):
            archive.writestr(f"{number}-" + "x" * 60, b"")

    return _packed(folder, example, change)


@_case("a zip with a byte after its end")
def _(folder: Path, example: Any) -> Path:
    path = example.save(folder / "model.zip")
    path.write_bytes(path.read_bytes() + b"\0")
    return path


@_case("a zip with a comment")
def _(folder: Path, example: Any) -> Path:
    def change(archive: zipfile.ZipFile, parts: dict[str, bytes]) -> None:
        _all(archive, parts)
        archive.comment = b"PK\x05\x06" + bytes(18)

    return _packed(folder, example, change)


@_case("a zip in its 64-bit form")
def _(folder: Path, example: Any) -> Path:
    content = example.save(folder / "honest.zip").read_bytes()
    size, start = struct.unpack("<LL", content[-10:-2])
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 3, 3, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content) - 22, 1)  # sound: `zipfile` would read it
    (folder / "model.zip").write_bytes(content[:-22] + record + locator + content[-22:])
    return folder / "model.zip"


@_case("a zip whose list of members says 4 GiB")
def _(folder: Path, example: Any) -> Path:
    content = bytearray(example.save(folder / "model.zip").read_bytes())
    content[-10:-6] = struct.pack("<L", 0xFFFFFFF0)
    (folder / "model.zip").write_bytes(content)
    return folder / "model.zip"


REASONS = {
    r"is a symbolic link to|is a relative link": "is a link. Parts of a model must be plain files",
    r"is a hard link|\.(json|onnx|safetensors) is a pipe": "not a plain file of its own",
    r"is missing|an empty folder": "has no",
    r"byte too many|cut short|terabyte": "not the file that the manifest describes|changed or damaged|not the manifest",
    r"in which .* is a symbolic link|encrypted|packed by method": "is a link, encrypted, or packed in an unusual way",
    r"besides$|twice|without manifest|with a comment": "it must hold .* and nothing else",
    r"bomb": "would unpack to [0-9]+ times its size",
    r"without (model|weights)|does not list": "exactly the parts that its manifest lists",
    r"64-bit|4 GiB|after its end": "a folder or a zip file that Annvil wrote is expected",
}
"""Several walls stand behind one another; here each is met by what should stop there, by a pattern of the name."""


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(name, tmp_path, example, refuse):
    message = refuse(CASES[name](tmp_path, example), canary=tmp_path / "canary")
    for pattern, reason in REASONS.items():
        if re.search(pattern, name):
            assert re.search(reason, message), message


@pytest.mark.parametrize("name", ["a zip of 100 000 members", "a zip whose list of members says 4 GiB"])
def test_a_long_list_of_members_is_not_even_read(name, tmp_path, example, monkeypatch):
    path = CASES[name](tmp_path, example)
    monkeypatch.setattr("zipfile.ZipFile", lambda *_: pytest.fail("read"))
    with pytest.raises(BundleError):
        load(path)


def test_there_are_many():
    assert len(CASES) >= 150
