"""CSV in the shapes in which people send it."""

from __future__ import annotations

import codecs
import time
from pathlib import Path

import numpy as np
import pytest

import annvil
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.raw import RawTable
from annvil.errors import DataError


def table(folder: Path, content: str | bytes, name: str = "t.csv", wanted: Wanted | None = None) -> RawTable:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, wanted or Wanted())


def refused(folder: Path, content: str | bytes, name: str = "t.csv") -> str:
    with pytest.raises(DataError) as caught:
        table(folder, content, name)
    return str(caught.value)


def texts(raw: RawTable, name: str) -> list[str]:
    levels = (*raw[name].levels, "")
    return [levels[code] for code in raw[name].values]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_delimiters_and_line_ends(tmp_path: Path, delimiter: str, line_end: str) -> None:
    rows = [["a", "b", "c"], ["1", "x y", "2.5"], ["2", '"q"', ""]]
    raw = table(tmp_path, line_end.join(delimiter.join(row) for row in rows) + line_end)
    assert raw.names == ("a", "b", "c")
    assert raw["a"].values.tolist() == [1, 2]
    assert texts(raw, "b") == ["x y", "q"]
    assert raw["c"].values[0] == 2.5
    assert np.isnan(raw["c"].values[1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    raw = table(tmp_path, "größe,ort\n1,Köln\n2,Málaga\n".encode(encoding))
    assert raw.names == ("größe", "ort")
    assert texts(raw, "ort") == ["Köln", "Málaga"]


def test_the_encoding_is_said(tmp_path: Path) -> None:
    assert "windows-1252" in table(tmp_path, "a,b\n1,Köln €\n".encode("cp1252")).source.details


def test_decimal_comma(tmp_path: Path) -> None:
    raw = table(tmp_path, "a;b;c\n1,5;1.234,5;7\n-2,25;12,0;8\n")
    assert raw.decimal_comma
    assert raw["a"].values.tolist() == [1.5, -2.25]
    assert raw["c"].values.tolist() == [7, 8]
    assert raw["b"].levels == ("1.234,5", "12,0")  # left to the judgement of the column, which knows the file's habit


def test_a_decimal_point_among_semicolons(tmp_path: Path) -> None:
    raw = table(tmp_path, "a;b\n1.5;x,y\n2.5;z\n")
    assert not raw.decimal_comma
    assert raw["a"].values.tolist() == [1.5, 2.5]


def test_quoted_texts_keep_delimiters_quotes_and_line_breaks(tmp_path: Path) -> None:
    raw = table(tmp_path, 'a,b\n1,"x, ""y""\nz"\n2,plain\n')
    assert texts(raw, "b") == ['x, "y"\nz', "plain"]


def test_missing_words_among_numbers_are_kept_account_of(tmp_path: Path) -> None:
    raw = table(tmp_path, "a,b\n1,x\n?,y\n-,x\nNA,y\n2,x\n")
    assert raw["a"].storage == "number"
    assert raw["a"].tokens == {"?": 1, "-": 1, "NA": 1}
    assert np.isnan(raw["a"].values).sum() == 3


def test_a_word_far_below_the_sample_is_found(tmp_path: Path) -> None:
    """The types are guessed from the first 2000 records; a later text must not be lost."""
    lines = [f"{i},{i / 2}" for i in range(5000)]
    lines[4000] = "4000,oops"
    raw = table(tmp_path, "a,b\n" + "\n".join(lines) + "\n")
    assert raw["a"].storage == "number"
    assert raw["b"].storage == "text"
    assert "oops" in raw["b"].levels


def test_long_digits_stay_exact_where_texts_are_wanted(tmp_path: Path) -> None:
    content = "id,b\n12345678901234567,1\n12345678901234568,2\n"
    raw = table(tmp_path, content, wanted=Wanted(texts={"id"}))
    assert raw["id"].levels == ("12345678901234567", "12345678901234568")


def test_column_names_cannot_break_out_of_the_query(tmp_path: Path) -> None:
    name = "x'); DROP TABLE t; --"
    raw = table(tmp_path, f'"{name}","a""b"\n1,2\n3,4\n', "it's [a] *file?.csv")
    assert raw.names == (name, 'a"b')
    assert raw[name].values.tolist() == [1, 3]


def test_a_pattern_in_the_name_reads_only_that_file(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n9,9\n")
    raw = table(tmp_path, "a,b\n1,2\n", "*.csv")
    assert raw["a"].values.tolist() == [1]


def test_the_reader_can_open_nothing_else(tmp_path: Path) -> None:
    import duckdb

    from annvil.data.readers.duckdb import reader

    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    mine = tmp_path / "mine.csv"
    mine.write_text("a\n1\n")
    with reader(mine) as (connection, name):
        assert connection.execute(f"SELECT count(*) FROM read_csv('{name}')").fetchall() == [(1,)]
        for query in (
            f"SELECT * FROM read_csv('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'written'}'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "ATTACH '/tmp/x.db'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(query)
    assert not (tmp_path / "written").exists()


def test_repeated_names(tmp_path: Path) -> None:
    assert refused(tmp_path, "a,b,a\n1,2,3\n") == (
        "t.csv has more than one column named 'a'; give every column its own name."
    )


def test_a_record_too_long(tmp_path: Path) -> None:
    message = refused(tmp_path, "a,b\n1,2\n1,2,3\n4,5\n")
    assert message.startswith("Line 3 of t.csv has 3 fields where the header has 2")


def test_a_record_too_short(tmp_path: Path) -> None:
    assert refused(tmp_path, "a,b,c\n1,2,3\n1,2\n4,5,6\n").startswith("Line 3 of t.csv has 2 fields")


def test_an_open_quotation_mark(tmp_path: Path) -> None:
    assert "quotation mark" in refused(tmp_path, 'a,b\n1,"x\n2,y\n')


def test_nul_bytes(tmp_path: Path) -> None:
    assert refused(tmp_path, b"a,b\n1,2\n3,\0\n").startswith("t.csv is not a text file: line 3 holds a NUL byte")


def test_nothing_in_the_file(tmp_path: Path) -> None:
    assert refused(tmp_path, "") == "t.csv is empty: it has 0 bytes."
    assert refused(tmp_path, "\n \n") == "t.csv is empty: there is no header line and no row."


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    assert table(tmp_path, "a,b\n").n_rows == 0


def test_the_row_numbers_that_pandas_writes_get_a_name(tmp_path: Path) -> None:
    assert table(tmp_path, ",a\n0,5\n1,6\n").names == ("row number", "a")


def test_a_delimiter_at_every_end_of_line_makes_no_column(tmp_path: Path) -> None:
    raw = table(tmp_path, "a,b,\n1,2,\n3,4,\n")
    assert raw.names == ("a", "b")
    assert raw["b"].values.tolist() == [2, 4]


def test_hundreds_of_thousands_of_columns_are_refused_at_once(tmp_path: Path) -> None:
    content = ",".join(f"c{i}" for i in range(400_000)) + "\n" + ",".join(["1"] * 400_000) + "\n"
    path = tmp_path / "wide.csv"
    path.write_text(content)
    start = time.perf_counter()
    with pytest.raises(DataError, match="about 400000 columns; Annvil reads at most 10000"):
        read_file(path)
    assert time.perf_counter() - start < 1


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert table(tmp_path, "a,b\n1,2\n\n3,4\n\n").n_rows == 2


@pytest.mark.parametrize("n_before", [1, 5_000])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_mark_of_utf8_is_checked(tmp_path: Path, n_before: int, ends: bytes) -> None:
    rows = [b"a;b", *[b"1.5;2"] * n_before, b"\xff\xfe;2", b"1.5;2"]
    (tmp_path / "t.csv").write_bytes(codecs.BOM_UTF8 + ends.join(rows) + b"\n")
    with pytest.raises(DataError, match=rf"mark of UTF-8, but line {n_before + 2} holds bytes that are none"):
        annvil.read(tmp_path / "t.csv", target="b")
