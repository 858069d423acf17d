"""Numbers in every style that people write, read back whole, one by one and in part."""

from __future__ import annotations

import csv
import datetime as dt
import doctest
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from annvil.data.readers import numbers
from annvil.data.readers.learn_numbers import learn_number_style
from annvil.data.readers.numbers import NumberStyle, number_style, parse_number
from annvil.data.readers.raw import column_from_texts
from annvil.data.readers.target import read_target
from annvil.data.readers.times import parse_time
from annvil.data.table import Field
from annvil.errors import DataError
from annvil.kinds.registry import read
from annvil.kinds.tables.conform import conform
from annvil.kinds.tables.inference import judge


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(numbers).failed == 0


@pytest.mark.parametrize(
    ("text", "style", "expected"),
    [
        ("1234.5", "", 1234.5),
        ("1,234.5", "", 1234.5),
        ("1,234", "", 1234.0),
        ("1,23", "", None),  # a thousands separator is followed by three digits
        ("0,875", "", None),  # and never follows a leading zero
        ("0.875", "comma", None),
        ("01,234", "", None),
        ("1,23,456", "", 123456.0),
        ("12,34,567.5", "", 1234567.5),
        ("1'234.5", "", 1234.5),
        ("1\u2019234,5", "comma", 1234.5),
        ("1\u2009234.5", "", 1234.5),
        ("1\u202f234,5", "comma", 1234.5),
        ("1\u00a0234", "", 1234.0),
        ("1,234 567", "", None),
        ("1,5", "comma", 1.5),
        ("1.234,5", "comma", 1234.5),
        ("1 234,5", "comma", 1234.5),
        ("1.5", "comma", None),
        ("-5 %", "percent", -5.0),
        ("%5", "percent", 5.0),
        ("-5 %", "fraction", -0.05),
        ("5%", "", None),
        ("$1,200", "", 1200.0),
        ("-$1,200", "", -1200.0),
        ("$-1,200", "", -1200.0),
        ("($1,234.50)", "", -1234.5),
        ("$(1,234.50)", "", -1234.5),
        ("(1.234,50 €)", "comma", -1234.5),
        ("(1.234,50) €", "comma", -1234.5),
        ("1.234,50-", "comma", -1234.5),
        ("(-5)", "", None),
        ("(5", "", None),
        ("5)", "", None),
        ("--5", "", None),
        ("3 €", "", 3.0),
        ("3€", "", 3.0),
        ("EUR 3,50", "comma", 3.5),
        ("3.50 USD", "", 3.5),
        ("US$ 3.50", "", 3.5),
        ("ABC 3", "", None),
        ("1.2K", "suffix", 1200.0),
        ("$3.4M", "suffix", 3.4e6),
        ("-1,2 Mio.", "comma suffix", -1.2e6),
        ("2bn", "suffix", 2e9),
        ("1.2K", "", None),
        ("\u22124", "", -4.0),
        ("1e-3", "", 0.001),
        ("1_000", "", None),
        ("0x10", "", None),
        ("", "", None),
        ("12 kg", "", None),
        ("½", "", None),
        ("٣", "", 3.0),  # digits of any script
        ("14:30", "time", 52200.0),
        ("14:30", "", None),
        ("5", "time", None),
    ],
)
def test_one_number(text: str, style: str, expected: float | None) -> None:
    assert parse_number(text, style) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00", 0),
        ("9:05", 9 * 3600 + 300),
        ("1:02:03.5", 3723.5),
        ("37:02:03", 37 * 3600 + 123),
        ("-0:30", -1800),
        ("12:00 am", 0),
        ("12:30PM", 45000),
        ("13:00 pm", None),
        ("1:60", None),
        ("1:02:60", None),
        ("1:2", None),
        ("PT90S", 90),
        ("P1DT2H3M4.5S", 86400 + 7384.5),
        ("P2W", 1209600),
        ("-PT1M", -60),
        ("P", None),
        ("PT", None),
        ("P1Y", None),  # of no fixed length
        ("2 days 00:00:01", 172801),
        ("1 day", 86400),
    ],
)
def test_one_time(text: str, expected: float | None) -> None:
    assert parse_time(text) == expected


def test_infinite_words_are_numbers_so_that_they_can_be_refused_as_infinite() -> None:
    assert parse_number("inf") == math.inf
    assert parse_number("-Infinity") == -math.inf


@given(st.builds(NumberStyle, *[st.booleans()] * 5))
def test_a_style_is_its_name(style: NumberStyle) -> None:
    assert number_style(style.name) == style


@pytest.mark.parametrize("name", ["point", "percent comma", "comma comma", "dots"])
def test_there_are_no_other_styles(name: str) -> None:
    with pytest.raises(ValueError, match="no style of numbers"):
        number_style(name)


def _indian(digits: str) -> str:
    head, tail = digits[:-3], digits[-3:]
    parts = [tail]
    while head:
        parts.insert(0, head[-2:])
        head = head[:-2]
    return ",".join(parts)


def spell(group: str | Callable[[str], str] = "", point: str = ".", pattern: str = "{sign}{number}") -> Any:
    """Writes a number of hundredths; `pattern` says where sign and number stand, ``-`` the one of negative numbers."""

    def write(value: float) -> str:
        whole, decimals = f"{abs(value):.2f}".split(".")
        whole = group(whole) if callable(group) else f"{int(whole):,}".replace(",", group)
        number = f"{whole}{point}{decimals}"
        if "(" in pattern:
            return pattern.format(number=number) if value < 0 else pattern.strip("()").format(number=number)
        return pattern.format(sign="-" if value < 0 else "", number=number)

    return write


STYLES = {
    f"{what} with decimal {sign}": spell(group, point)
    for sign, point, dot in (("point", ".", ","), ("comma", ",", "."))
    for what, group in {
        "plain": "", "grouped": dot, "spaces": " ", "no-break spaces": "\u00a0", "thin": "\u2009", "narrow": "\u202f",
        "apostrophes": "'", "typographic apostrophes": "\u2019",
    }.items()
}  # fmt: skip
STYLES |= {
    "Indian": spell(_indian),
    "dollars": spell(",", pattern="{sign}${number}"),
    "sign behind the dollar": spell(",", pattern="${sign}{number}"),
    "euros": spell(".", ",", "{sign}{number} €"),
    "code before": spell(pattern="USD {sign}{number}"),
    "code behind": spell("'", pattern="{sign}{number} CHF"),
    "accountants": spell(",", pattern="({number})"),
    "accountants with dollars": spell(",", pattern="(${number})"),
    "accountants with commas": spell(".", ",", "({number})"),
    "minus behind": lambda value: spell(".", ",", "{number}")(value) + "-" * (value < 0),
    "minus sign": lambda value: spell()(value).replace("-", "\u2212"),
    "per cent": spell(pattern="{sign}{number}%"),
    "per cent with comma": spell(".", ",", "{sign}{number} %"),
    "thousands": lambda value: f"{value / 1000:.5f}K",
    "millions with comma": lambda value: f"{value / 1e6:.8f} Mio.".replace(".", ",", 1),
    "padded": lambda value: f"  {value:.2f} ",
}

VALUES = st.lists(st.integers(-(10**9), 10**9).map(lambda n: n / 100), min_size=1, max_size=25)
EVIDENCE = [1234567.25, -1234567.25, 0.5, 12.0] * 6
"""Values that leave no doubt: two groups of thousands, a leading zero; repeated, so that a column is no identifier."""


def first(rows: Any, schema: Any) -> list[float]:
    return conform(rows, schema)[0].columns[0].values.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(VALUES, st.randoms(use_true_random=False))
def test_a_column_is_read_alike_whole_alone_and_in_part(style: str, values: list[float], random: Any) -> None:
    values = [*values, *EVIDENCE]
    texts = [STYLES[style](value) for value in values]
    column = judge(column_from_texts("x", texts), where="").column
    assert column is not None
    np.testing.assert_allclose(column.values, values, rtol=1e-9, atol=1e-9)
    whole = dict(zip(texts, column.values.tolist(), strict=True))
    schema = (column.field,)
    some = random.sample(texts, min(4, len(texts)))
    for rows in ({"x": some}, [{"x": text} for text in some], pd.DataFrame({"x": some})):
        assert first(rows, schema) == [whole[text] for text in some]
    assert [first({"x": text}, schema) for text in some] == [[whole[text]] for text in some]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("sign", ["point", "comma", ""])
def test_files_are_read_alike_whatever_rows_they_hold(sign: str, delimiter: str, tmp_path: Path) -> None:
    """Columns of every style side by side, or only of those with a decimal comma or a decimal point."""
    values = [*(np.random.default_rng(0).integers(-(10**7), 10**7, 20) / 100).tolist(), *EVIDENCE, 1.1, 1100.0, 1000.0]
    styles = [style for style in STYLES if style.endswith(f"decimal {sign}") or not sign]
    texts = [[STYLES[style](value) for style in styles] for value in values]

    def written(rows: list[int]) -> Path:
        path = tmp_path / "a.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, delimiter=delimiter)
            table.writerows([[*styles, "y"], *([*texts[i], i % 2] for i in rows)])
        return path

    data = read(written([*range(len(values))]), target="y", kinds=dict.fromkeys(styles, "number"))
    columns = [judge(column_from_texts(style, [row[i] for row in texts]), where="") for i, style in enumerate(styles)]
    schema = tuple(judged.column.field for judged in columns if judged.column)
    np.testing.assert_allclose(data.inputs.columns[0].values, values, rtol=1e-9, atol=1e-9)
    for rows in ([len(values) - 2, len(values) - 1], [3, 1, 2]):
        expected = np.tile(np.array(values)[rows][:, None], len(styles))
        records = [dict(zip(styles, texts[i], strict=True)) for i in rows]
        lines = tmp_path / "a.jsonl"
        lines.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        for source in (written(rows), lines, records, pd.DataFrame(records)):
            found = conform(source, schema)[0].numbers()
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
            np.testing.assert_array_equal(found, np.concatenate([conform(r, schema)[0].numbers() for r in records]))


@pytest.mark.parametrize("style", STYLES)
def test_a_target_is_read_in_its_style(style: str) -> None:
    values = [*(np.random.default_rng(0).integers(-(10**7), 10**7, 20) / 100).tolist(), *EVIDENCE]
    task, y, _ = read_target(column_from_texts("y", [*map(STYLES[style], values)]), None, where="")
    assert not task.classes
    np.testing.assert_allclose(y, values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("texts", "style", "values"),
    [
        (["12%", "0.12"], "fraction", [0.12, 0.12]),
        (["12%", "40"], "percent", [12, 40]),
        (["0.5%", "0.7"], "percent", [0.5, 0.7]),
        (["$5", "€5"], "", [5, 5]),
        (["1.2K", "300"], "suffix", [1200, 300]),
        (["(5)", "6"], "", [-5, 6]),
        (["1.100", "999"], "", [1.1, 999]),
        (["1,100", "999"], "", [1100, 999]),
        (["14:30", "1:02:03"], "time", [52200, 3723]),
    ],
)
def test_what_was_open_is_told(texts: list[str], style: str, values: list[float]) -> None:
    learnt = learn_number_style(texts)
    assert learnt.style.name == style
    assert [parse_number(text, style) for text in texts] == values
    assert learnt.said


def test_what_is_open_in_a_column_is_decided_by_the_others_of_its_source() -> None:
    for sign, expected in ((",", [1100.0, 999.0]), (".", [1.1, 999.0])):
        columns = {"x": ["1.100", "999"] * 30, "rate": [f"{i % 3}{sign}5" for i in range(60)], "y": [0, 1] * 30}
        data = read(columns, target="y")
        assert data.inputs.columns[0].values[:2].tolist() == expected
        assert "cannot be told" not in data.notes[0].reason


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_an_open_column_of_a_file_is_told(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        f"x{delimiter}y\n" + "".join(f"{i % 9 + 1}.{100 + i}{delimiter}{i % 2}\n" for i in range(60)), encoding="utf-8"
    )
    data = read(path, target="y")
    assert data.inputs.columns[0].values[:2].tolist() == [1.1, 2.101]
    assert "whether '1.100' is 1.1 or 1100 cannot be told" in data.notes[0].reason
    whole = read({"x": ["1.100", "2.200"] * 30, "y": [i * 0.5 for i in range(60)]}, target="y")
    assert "cannot be told" in whole.notes[0].reason
    target = read({"x": [i * 0.5 for i in range(60)], "y": [f"{i}.100" for i in range(10, 70)]}, target="y")
    assert "cannot be told" in target.task.reason


@pytest.mark.parametrize(
    ("texts", "style"),
    [
        (["1.5", "2,5"] * 30, "a decimal point"),
        (["1.5", "2,5", "3,5"] * 30, "a decimal comma"),
    ],
)
def test_a_contradiction_is_refused(texts: list[str], style: str) -> None:
    with pytest.raises(DataError, match=f"not a number with {style}"):
        read({"x": texts, "y": [i % 2 for i in range(len(texts))]}, target="y")


def test_what_a_row_means_does_not_depend_on_the_rows_beside_it() -> None:
    point, comma = (Field("x", "number"),), (Field("x", "number", "comma"),)
    assert first({"x": ["1,500"]}, point) == first({"x": "1,500"}, point) == [1500.0]
    assert first({"x": ["1.500"]}, comma) == first({"x": "1.500"}, comma) == [1500.0]
    for rows in ({"x": "1.5"}, {"x": ["1.5"]}, [{"x": "1.5"}] * 2):
        with pytest.raises(DataError, match="not a number with a decimal comma"):
            conform(rows, comma)
    for rows in ({"x": "2,5"}, {"x": ["1,500", "2,5"]}, {"x": "12%"}, {"x": ["12%", "0.5"]}):
        with pytest.raises(DataError, match="not a number"):
            conform(rows, point)


def test_a_file_with_decimal_commas_is_told_where_the_model_learnt_plain_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x;z\n1.100;0,5\n999,5;1,5\n", encoding="utf-8")
    table, notices = conform(path, (Field("x", "number"), Field("z", "number")))
    assert table.numbers().tolist() == [[1100.0, 0.5], [999.5, 1.5]]
    assert "Column 'x' is read with a decimal comma, as a.csv writes numbers." in notices


def test_long_columns_of_amounts_are_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("annvil.data.readers.duckdb.MANY_ROWS", 50)
    path = tmp_path / "a.csv"
    path.write_text(
        "x;day;note;y\n"
        + "".join(f"${i},{100 + i}.50;{i % 28 + 1}.{i % 12 + 1}.{1900 + i};n{i};{i % 2}\n" for i in range(1, 99)),
        encoding="utf-8",
    )
    data = read(path, target="y")
    assert [note.kind for note in data.notes[:3]] == ["number", "datetime", "identifier"]
    assert data.inputs.columns[0].values[:2].tolist() == [1101.5, 2102.5]


@pytest.mark.parametrize(
    "value",
    ["0:05", "PT5M", 300, 300.0, dt.time(0, 5), dt.timedelta(minutes=5), np.timedelta64(5, "m"), pd.Timedelta("5min")],
)
def test_a_time_is_its_seconds_however_it_is_given(value: Any) -> None:
    schema = (Field("x", "number", "time"),)
    for source in ({"x": value}, {"x": [value]}, [{"x": value}, {"x": pd.NaT}], pd.DataFrame({"x": [value]})):
        assert first(source, schema)[0] == 300.0


@pytest.mark.parametrize(
    "text", ["1" + " " * 5000 + "!", "(" + " " * 5000, "$" + " " * 5000 + "x", "1h" * 5000, "1 " * 5000]
)
def test_no_text_keeps_the_patterns_busy(text: str) -> None:
    """Each of these once took hours, or would without limits on length and blanks."""
    for style in ("", "comma", "limit unit=kg", "time"):
        assert parse_number(text, style) is None
    assert parse_time(text) is None


def test_blanks_that_align_amounts() -> None:
    assert parse_number("$     1,234.50") == 1234.5
    assert parse_number("1  234") is None
