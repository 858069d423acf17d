"""Texts as programs and people write them: every dialect, in every encoding and packing, is the same table."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from annvil.data.readers import unpacking
from annvil.data.readers.files import read_file
from annvil.data.readers.raw import RawTable
from annvil.errors import DataError

ROWS = [(f"{i * 1.5 - 4:.2f}", ("oak", "old pine", "fir")[i % 3], str(7 * i % 11)) for i in range(40)]
NAMES = ("height", "tree type", "grade")
ENDS = {
    "unix": ["\n"],
    "windows": ["\r\n"],
    "mac": ["\r"],
    "mixed": ["\r\n", "\n"],
    "windows then unix": ["\r\n", *["\n"] * 60],
}
ENDS |= {"one windows": [*["\n"] * 20, "\r\n", *["\n"] * 60], "mac and unix": ["\n", "\r"]}
ABOVE = {
    "nothing": [],
    "a title": ["Heights of trees by hand"],
    "titles": ["Heights of trees", "", "measured by hand, 2024", ""],
    "comments": ["# made by a program", "# version 2"],
    "percent signs": ["% exported"],
    "a declared delimiter": ["sep={d}"],
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
PACKINGS = ["", "gz", "bz2", "xz", "zst", "zip", "zip with litter"]


def packed(content: bytes, how: str) -> tuple[str, bytes]:
    """Name and content of the packed file."""
    if how.startswith("zip"):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("trees/t.csv", content)
            if how != "zip":
                for name in ("__MACOSX/trees/._t.csv", "trees/.DS_Store", "trees/Thumbs.db", "trees/readme.txt"):
                    archive.writestr(name, b"junk")
        return "t.zip", stream.getvalue()
    by = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": _zstd}
    return f"t.csv.{how}".rstrip("."), by[how](content)


def _zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def table(content: bytes, name: str = "t.csv") -> RawTable:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read_file(path)


def written(delimiter: str, above: str, end: str, *, names: bool = True, between: str = "") -> str:
    """The rows as a text: quoted where the delimiter asks for it, decimal commas among semicolons."""
    lines = [line.replace("{d}", delimiter) for line in ABOVE[above]]
    for number, row in enumerate([NAMES, *ROWS] if names else ROWS):
        cells = [f'"{cell}"' if " " in cell else cell for cell in row]
        cells = [cell.replace(".", ",") if delimiter == ";" and (number or not names) else cell for cell in cells]
        gap = "  " if delimiter == " " and number % 2 else ""
        lines.append(delimiter.join(cells) + gap)
        lines += [between] if between and number % 9 == 5 else []
    ends = ENDS[end]
    return "".join(line + ends[number % len(ends)] for number, line in enumerate(lines))


def check(raw: RawTable, names: tuple[str, ...] = NAMES) -> None:
    assert raw.names == names
    assert raw.n_rows == len(ROWS)
    heights, trees, grades = raw.columns
    assert heights.values.tolist() == [float(row[0]) for row in ROWS]
    assert [trees.levels[code] for code in trees.values] == [row[1] for row in ROWS]
    assert grades.values.tolist() == [float(row[2]) for row in ROWS]


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    st.sampled_from([",", ";", "\t", "|", " "]),
    st.sampled_from(list(ABOVE)),
    st.sampled_from(list(ENDS)),
    st.sampled_from(ENCODINGS),
    st.sampled_from(PACKINGS),
    st.sampled_from(["", "# checked"]),
)
def test_every_dialect_is_the_same_table(
    delimiter: str, above: str, end: str, encoding: str, packing: str, between: str
) -> None:
    if delimiter == " " and above == "a declared delimiter":
        above = "nothing"  # no program declares runs of blanks
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    if packing == "zst" and encoding.startswith("utf-16"):
        encoding = "utf-8"  # refused, below
    content = marks.get(encoding, b"") + written(delimiter, above, end, between=between).encode(encoding)
    name, content = packed(content, packing)
    check(table(content, name))


@pytest.mark.parametrize("end", ["unix", "windows", "mac", "mixed"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("above", ["nothing", "titles", "comments"])
def test_without_names(delimiter: str, end: str, above: str) -> None:
    raw = table(written(delimiter, above, end, names=False).encode())
    check(raw, ("column 1", "column 2", "column 3"))
    assert "no line of names" in raw.source.details


@pytest.mark.parametrize(
    ("content", "names", "first"),
    [
        ("# x y\n1 2\n3 4\n5 7\n6 1\n2 2\n4 4\n", ("x", "y"), 1),  # numpy.savetxt(header=)
        ("##v=1\n#CHROM\tPOS\n1\t20\n2\t30\n3\t25\n1\t31\n2\t22\n3\t27\n", ("#CHROM", "POS"), 1),
        ('"a" "b"\n"1" 5 0.5\n"2" 6 1.5\n"3" 7 2.5\n', ("row number", "a", "b"), 1),  # R's write.table
        ("Sales,,\n,,\nday,shop,sum\n1,a,2.5\n2,b,3.5\n", ("day", "shop", "sum"), 1),  # a sheet with a title
        ("Sales, March\nday,shop,sum\n1,a,2.5\n2,b,3.5\n", ("day", "shop", "sum"), 1),
        ("name,2019,2020\n" + "".join(f"n{i},{i}.5,{i}\n" for i in range(9)), ("name", "2019", "2020"), None),
        ("0,1,2\n" + "".join(f"{i}.5,{i},{-i}\n" for i in range(9)), ("0", "1", "2"), 0.5),  # pandas numbers columns
        ("colour,n\n" + "#ff0000,1\n#00ff00,2\n" * 5, ("colour", "n"), None),  # no comments: fields as the others
        ("first,last\n" + "".join(f"f{i},l{i}\n" for i in range(9)), ("first", "last"), None),
        ("text\n" + "".join(f"say, {i}\n" for i in range(3)), None, None),  # one column with commas: refused
    ],
)
def test_what_is_a_name(content: str, names: tuple[str, ...] | None, first: float | None) -> None:
    if names is None:
        with pytest.raises(DataError, match=r"Line 2 of t.csv has 2 fields where the header has 1"):
            table(content.encode())
        return
    raw = table(content.encode())
    assert raw.names == names
    assert first is None or raw.columns[0].values[0] == first


@pytest.mark.parametrize("units", ["[s],[m]", "s,m", "seconds,metres"])
def test_two_lines_of_names_are_refused(units: str) -> None:
    with pytest.raises(DataError, match=r"Lines 1 and 2 of t.csv both read as names \(time, way; "):
        table(f"time,way\n{units}\n".encode() + b"1,2\n" * 9)


def test_letters_alone_without_names() -> None:
    """As the mushrooms of the UCI repository come: a letter occurs twice in the first row, and again below."""
    rows = ["p,x,s,n,p", "e,x,s,y,n", "e,b,s,w,p", "p,x,y,n,p", "e,b,y,w,n", "p,b,s,y,p", "e,x,y,n,n"]
    raw = table("\n".join(rows).encode())
    assert raw.n_rows == 7
    assert raw.names[0] == "column 1"


def test_lines_keep_their_numbers_in_messages() -> None:
    text = written(",", "titles", "mixed", between="# checked").splitlines()
    text[20] = "1,2"
    with pytest.raises(DataError, match=r"Line 21 of t.csv has 2 fields where the header has 3"):
        table("\r\n".join(text[:10]).encode() + b"\r\n" + "\n".join(text[10:]).encode())


@pytest.mark.parametrize("end", list(ENDS))
def test_no_quotation_mark_is_blamed_where_there_is_none(end: str) -> None:
    lines = ["a,b", *(f"{i},{i % 3}" for i in range(90)), "1,2,3"]
    ends = ENDS[end]
    with pytest.raises(DataError) as caught:
        table("".join(line + ends[i % len(ends)] for i, line in enumerate(lines)).encode())
    assert str(caught.value).startswith("Line 92 of t.csv has 3 fields")


def test_line_breaks_inside_quotation_marks_are_left_alone() -> None:
    raw = table(b'a,b\r\n1,"x\ny"\r\n2,"# z"\r\n')
    assert raw["b"].levels == ("# z", "x\ny")


@pytest.mark.parametrize(
    ("content", "reason"),
    [("a,b\n1,2\n".encode("utf-16"), "no text in UTF-8"), (b'a,b\n1,"x\n\ny"\n', "go on in the next line")],
)
def test_what_zstandard_cannot_carry_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        table(_zstd(content), "t.csv.zst")


@pytest.mark.parametrize("how", ["bz2", "xz", "zst"])
def test_damaged_and_bombs(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, content = packed(b"a,b\n" + b"1,2\n" * 9000, how)
    with pytest.raises(DataError, match="damaged"):
        table(content[: len(content) // 2], name)
    monkeypatch.setattr(unpacking, "BOMB_BYTES", 2**20)
    name, content = packed(b"0,1\n" * 2**19, how)
    with pytest.raises(DataError, match="would grow more than 100 times"):
        table(content, name)


@pytest.mark.parametrize("how", ["gz", "bz2", "xz", "zst", "zip"])
def test_any_format_may_be_packed_and_a_wrong_ending_is_seen_through(how: str) -> None:
    import pyarrow.parquet as pq

    name, content = packed(b"a,b\n1,2\n", how)
    assert how == "zip" or table(content, "t.csv").names == ("a", "b")
    if how == "zst":
        return
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2]}), sink)
    name, content = packed(sink.getvalue(), how)
    assert np.array_equal(table(content, name)["a"].values, [1, 2])


def test_zstandard_cut_at_any_byte_is_refused() -> None:
    whole = _zstd(b"a,b\n" + b"1.5,2\n" * 40)
    table(whole, "t.csv.zst")
    for at in range(4, len(whole)):  # fewer do not say what they are
        with pytest.raises(DataError, match=r"ends too early|cannot be unpacked"):
            table(whole[:at], "t.csv.zst")
