"""Columns as other programs write them: each spelling is read as what it says, alone as in company, or told of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from annvil import read
from annvil.data.dataset import Dataset
from annvil.data.readers.dates import NEVER
from annvil.errors import DataError
from annvil.kinds.tables.conform import conform

N = 60
AMOUNTS = np.random.default_rng(0).integers(1000, 9999, N).tolist()

NUMBERS: dict[str, tuple[Callable[[int, int], str], Callable[[int, int], float]]] = {
    "no cents 12,-": (lambda i, v: f"{v},-" if i % 2 else f"{v},5", lambda i, v: v if i % 2 else v + 0.5),
    "no cents 12.--": (lambda i, v: f"CHF {v}.--", lambda i, v: v),
    "no cents with a long dash": (lambda i, v: f"{v},\u2014 €", lambda i, v: v),
    "no cents, negative": (lambda i, v: f"-{v},-", lambda i, v: -v),
    "SAP's minus": (lambda i, v: f"{v},56-", lambda i, v: -v - 0.56),
    "India's /-": (lambda i, v: f"{v // 1000},{v % 1000:03d}.5/-", lambda i, v: v + 0.5),
    "below a limit": (lambda i, v: "<0.1" if i % 5 == 0 else f"{v / 10}", lambda i, v: 0.1 if i % 5 == 0 else v / 10),
    "about": (lambda i, v: f"~{v}" if i % 3 == 0 else f"{v}", lambda i, v: v),
    "above": (lambda i, v: "> 9999,5" if i == 7 else f"{v},5", lambda i, v: 9999.5 if i == 7 else v + 0.5),
    "kg": (lambda i, v: f"{v / 10} kg", lambda i, v: v / 10),
    "kg, decimal comma": (lambda i, v: f"{v},5kg", lambda i, v: v + 0.5),
    "°C": (lambda i, v: f"-{v / 100}°C", lambda i, v: -v / 100),
    "km/h": (lambda i, v: f"{v} km/h", lambda i, v: v),
    "m2": (lambda i, v: f"{v} m2", lambda i, v: v),
    "µg/m³": (lambda i, v: f"{v / 7:.3f} µg/m³", lambda i, v: round(v / 7, 3)),
    "two words": (lambda i, v: f"{v} mm Hg", lambda i, v: v),
    "a unit here and there": (lambda i, v: f"{v} p" if i % 9 == 0 else f"{v}", lambda i, v: v),
    "millions": (lambda i, v: f"{v % 97} {('million', 'billion')[i % 2]}", lambda i, v: v % 97 * (1e6, 1e9)[i % 2]),
    "bytes": (lambda i, v: f"{v} {('kB', 'MB', 'GB')[i % 3]}", lambda i, v: v * (1e3, 1e6, 1e9)[i % 3]),
    "Excel's apostrophe": (lambda i, v: f"'{v}", lambda i, v: v),
    "full width": (lambda i, v: "".join(chr(0xFF10 + int(d)) for d in str(v)), lambda i, v: v),
    "Arabic": (lambda i, v: "".join(chr(0x660 + int(d)) for d in str(v)) + "\u066b\u0665", lambda i, v: v + 0.5),
    "Devanagari": (lambda i, v: "".join(chr(0x966 + int(d)) for d in str(v)), lambda i, v: v),
    "lap": (lambda i, v: f"{v % 60}:{i:02d}.5", lambda i, v: 60 * (v % 60) + i + 0.5),
    "1h 30m": (lambda i, v: f"{v % 9 + 1}h {i}m", lambda i, v: 3600 * (v % 9 + 1) + 60 * i),
    "1h30": (lambda i, v: f"{v % 9 + 1}h{i:02d}", lambda i, v: 3600 * (v % 9 + 1) + 60 * i),
    "in words": (lambda i, v: f"{v % 9 + 2} hours, {i} minutes", lambda i, v: 3600 * (v % 9 + 2) + 60 * i),
}  # fmt: skip


def learnt(texts: list[Any], **options: Any) -> Dataset:
    return read({"c": texts, "x": [i * 0.37 for i in range(len(texts))], "y": [i % 2 for i in range(len(texts))]},
                target="y", **options)  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_what_they_say_alone_and_in_company(name: str, tmp_path: Path) -> None:
    spell, right = NUMBERS[name]
    texts = [spell(i, v) for i, v in enumerate(AMOUNTS)]
    truth = [float(right(i, v)) for i, v in enumerate(AMOUNTS)]
    path = tmp_path / "a.csv"
    lines = [f'{i * 0.37}\t"{text}"\t{i % 2}\n' for i, text in enumerate(texts)]
    path.write_text("x\tc\ty\n" + "".join(lines), encoding="utf-8")
    for data in (learnt(texts), read(path, target="y")):
        column = next(column for column in data.inputs.columns if column.name == "c")
        assert column.kind == "number", data.notes
        np.testing.assert_allclose(column.values, truth, rtol=1e-12)
        for i in (0, 1, 7):
            for rows in ({"c": texts[i]}, {"c": [texts[i]]}, [{"c": texts[i]}, {"c": texts[2]}]):
                assert conform(rows, (column.field,))[0].columns[0].values[0] == column.values[i]


@pytest.mark.parametrize(
    "texts",
    [
        ["2", "3", "4", "5more"] * 15,  # names of classes
        ["<18", "18", ">65"] * 20,
        ["<=50K", ">50K"] * 30,
        [f"{v}{'ab'[i % 2]}" for i, v in enumerate(AMOUNTS[:30])] * 2,  # house numbers: two units are none
        [f"{v}.5 {('CR', 'DR')[i % 2]}" for i, v in enumerate(AMOUNTS[:30])] * 2,  # which of them is negative?
        [f"{v}.5{('', 'DR')[i % 2]}" for i, v in enumerate(AMOUNTS[:30])] * 2,
        [f"{v % 97}.5{'km'[i % 2]}" for i, v in enumerate(AMOUNTS[:30])] * 2,  # millions, or metres?
        ["Mon 3", "Tue 4"] * 30,
        [f"{v % 60 + 100}/{v % 40 + 60}" for v in AMOUNTS[:30]] * 2,  # two numbers
        [f"{v % 9}-{v % 9 + 5}" for v in AMOUNTS],
    ],
)
def test_texts_that_only_begin_like_numbers_stay_texts(texts: list[str]) -> None:
    assert learnt(texts).notes[0].kind == "category"


def test_another_unit_than_the_learnt_one_is_refused() -> None:
    column = learnt([f"{v} kg" for v in AMOUNTS]).inputs.columns[0]
    for value in ("5 g", "5 lb", "<5 kg"):
        with pytest.raises(DataError, match="not a number in kg"):
            conform({"c": value}, (column.field,))
    assert conform({"c": "5"}, (column.field,))[0].columns[0].values[0] == 5.0


@pytest.mark.parametrize("word", ["BDL", "Refused", "see note"])
def test_a_word_among_numbers_is_told_with_what_to_do(word: str) -> None:
    numbers = [word if i % 9 == 0 else f"{v / 10}" for i, v in enumerate(AMOUNTS)]
    note = learnt(numbers).notes[0]
    assert not note.used
    assert f"missing=[{word!r}]" in note.reason
    assert learnt(numbers, missing=[word]).notes[0].kind == "number"
    repeated = [word if i % 9 == 0 else str(v % 25) for i, v in enumerate(AMOUNTS * 2)]
    note = learnt(repeated).notes[0]
    assert note.kind == "category"
    assert f"missing=[{word!r}]" in note.reason
    with pytest.raises(DataError, match=f"not a number.*missing=\\['{word}'\\]"):
        read({"x": AMOUNTS, "y": numbers}, target="y")


@pytest.mark.parametrize("word", ["k.A.", "n.d.", "\\N", "(null)", ":", "#BEZUG!", "#NV", "1.#QNAN", "-1.#IND", "s/d"])
def test_words_of_other_programs_for_no_value(word: str) -> None:
    data = learnt([word if i % 9 == 0 else f"{v / 10}" for i, v in enumerate(AMOUNTS)])
    assert (data.notes[0].kind, data.notes[0].n_missing) == ("number", 7)
    assert np.isnan(conform({"c": word}, data.inputs.schema[:1])[0].columns[0].values[0])


MOMENTS = [dt.datetime(1999, 1, 5, 13, 7, 9) + dt.timedelta(days=97 * i, hours=i % 9, seconds=61 * i) for i in range(N)]
_GERMAN = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
]
_FRENCH = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]
_SPANISH = ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"]
_DAY, _MINUTE, _SECOND = 86400, 60, 1

DATES: dict[str, tuple[str | Callable[[dt.datetime], str], int]] = {
    "Uhr": ("%d.%m.%Y %H:%M Uhr", _MINUTE),
    "clock with points": ("%d.%m.%Y %H.%M", _MINUTE),
    "weekday": ("%a, %d.%m.%Y", _DAY),
    "ISO 8601 basic": ("%Y%m%dT%H%M%S", _SECOND),
    "ISO 8601 basic in UTC": ("%Y%m%dT%H%MZ", _MINUTE),
    "SAS": ("%d%b%Y", _DAY),
    "SAS with time": ("%d%b%Y:%H:%M:%S", _SECOND),
    "Oracle": ("%d-%b-%y %H.%M.%S", _SECOND),
    "Apache": ("%d/%b/%Y:%H:%M:%S +0000", _SECOND),
    "ctime": ("%a %b %d %H:%M:%S %Y", _SECOND),
    "Java": ("%a %b %d %H:%M:%S GMT %Y", _SECOND),
    "EXIF": ("%Y:%m:%d %H:%M:%S", _SECOND),
    "a.m.": (lambda t: t.strftime("%m/%d/%Y %I:%M ") + ("a.m." if t.hour < 12 else "p.m."), _MINUTE),
    "Japan": ("%Y年%m月%d日", _DAY),
    "Korea": (lambda t: f"{t.year}. {t.month}. {t.day}.", _DAY),
    "Hungary": ("%Y.%m.%d.", _DAY),
    "German months": (lambda t: f"{t.day}. {_GERMAN[t.month - 1]} {t.year}", _DAY),
    "French months": (lambda t: f"{t.day} {_FRENCH[t.month - 1]} {t.year}", _DAY),
    "Spanish months": (lambda t: f"{t.day}-{_SPANISH[t.month - 1]}-{t.year}", _DAY),
    "digits": ("%Y%m%d", _DAY),
    "digits with time": ("%Y%m%d%H%M%S", _SECOND),
    "ISO week day": ("%G-W%V-%u", _DAY),
    "end of the day": (lambda t: f"{t:%Y-%m-%d} 24:00", -_DAY),
}  # fmt: skip


def spelt(style: str | Callable[[dt.datetime], str], moment: dt.datetime) -> str:
    return moment.strftime(style) if isinstance(style, str) else style(moment)


@pytest.mark.parametrize("name", DATES)
def test_dates_are_what_they_say_alone_and_in_company(name: str, tmp_path: Path) -> None:
    style, unit = DATES[name]
    texts = [spelt(style, moment) for moment in MOMENTS]
    seconds = [int(moment.replace(tzinfo=dt.UTC).timestamp()) for moment in MOMENTS]
    truth = [second - second % abs(unit) + (_DAY if unit < 0 else 0) for second in seconds]
    path = tmp_path / "a.csv"
    path.write_text("x;c;y\n" + "".join(f"{i / 7};{t};{i % 2}\n" for i, t in enumerate(texts)), encoding="utf-8")
    for data in (learnt(texts), read(path, target="y")):
        column = next(column for column in data.inputs.columns if column.name == "c")
        assert column.kind == "datetime", data.notes
        assert column.values.tolist() == truth
        for rows in ({"c": texts[3]}, {"c": [texts[3]]}):
            assert conform(rows, (column.field,))[0].columns[0].values[0] == truth[3]


@pytest.mark.parametrize(
    "spell",
    [
        lambda t: f"{t.month:02d}/{t.year}",
        lambda t: f"{t.month:02d}.{t.year}",
        lambda t: f"{t:%b-%y}",
        lambda t: f"{t:%B %Y}",
        lambda t: f"{t:%Y%m}",
        lambda t: f"{t.year}-Q{(t.month + 2) // 3}",
        lambda t: f"Q{(t.month + 2) // 3} {t.year}",
        lambda t: f"{t:%G-W%V}",
    ],
)
def test_months_quarters_and_weeks_count_as_their_first_day(
    spell: Callable[[dt.datetime], str], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    lines = [f"{i / 7};{spell(moment)};{i % 2}\n" for i, moment in enumerate(MOMENTS)]
    path.write_text("x;c;y\n" + "".join(lines), encoding="utf-8")
    column = read(path, target="y").inputs.columns[1]
    assert column.kind == "datetime"
    first_days = [dt.datetime.fromtimestamp(seconds, dt.UTC) for seconds in column.values.tolist()]
    assert [spell(day) for day in first_days] == [spell(moment) for moment in MOMENTS]
    assert all(day.day == 1 for day in first_days) or all(day.isoweekday() == 1 for day in first_days)


@pytest.mark.parametrize("zone", ["CEST", "+02:00", "MESZ", "+0200"])
def test_names_of_zones_are_their_hours(zone: str) -> None:
    texts = [f"{moment:%Y-%m-%d %H:%M:%S} {zone}" for moment in MOMENTS]
    column = learnt(texts).inputs.columns[0]
    assert column.values[0] == MOMENTS[0].replace(tzinfo=dt.UTC).timestamp() - 7200


def test_dates_without_an_end_are_missing_from_every_source() -> None:
    never = [i % 9 == 0 for i in range(N)]
    for spell in (
        lambda d, end: "9999-12-31" if end else str(d),
        lambda d, end: "31.12.9999" if end else f"{d:%d.%m.%Y}",
        lambda d, end: "0000-00-00" if end else str(d),
        lambda d, end: 99991231 if end else int(f"{d:%Y%m%d}"),
        lambda d, end: 0 if end else int(f"{d:%Y%m%d}"),
        lambda d, end: dt.date(9999, 12, 31) if end else d,
        lambda d, end: np.datetime64("9999-12-31", "s") if end else np.datetime64(d, "s"),
    ):
        values = [spell(moment.date(), end) for moment, end in zip(MOMENTS, never, strict=True)]
        data = learnt(values)
        column = data.inputs.columns[0]
        assert column.kind == "datetime"
        assert np.isnan(column.values).tolist() == never
        assert "missing" in data.notes[0].reason
        assert np.isnan(conform({"c": values[0]}, (column.field,))[0].columns[0].values[0])
    frame = pd.DataFrame({"c": np.where(never, np.datetime64("9999-12-31", "s"), np.array(MOMENTS, "datetime64[s]"))})
    assert not (conform(frame, (column.field,))[0].columns[0].values >= NEVER).any()


def test_numbers_that_only_look_a_little_like_dates_stay_numbers() -> None:
    for values in (
        [20210101 + i for i in range(28)] * 2,  # a year and a counter
        [20210001 + i for i in range(60)],
        [190013 + 100 * i for i in range(60)],
        [1.5 + i for i in range(60)],
        [2000 + i % 20 for i in range(60)],
    ):
        assert learnt(values).notes[0].kind != "datetime"


def test_years_of_two_digits_are_told() -> None:
    reason = learnt([f"{moment:%d.%m.}{(31 + i) % 100:02d}" for i, moment in enumerate(MOMENTS)]).notes[0].reason
    assert "years of two digits read as 1970 to 2069: " in reason
    assert "69 as 2069-" in reason


def test_numbers_that_float64_cannot_tell_apart_are_categories() -> None:
    for first in (2**60, 2**63, 10**30):
        data = learnt([first + i % 6 for i in range(N)])
        assert data.notes[0].kind == "category"
        assert data.inputs.columns[0].levels == tuple(str(first + i) for i in range(6))
    assert learnt([2**60 + i for i in range(N)]).notes[0].kind == "identifier"


def test_nan_among_values_of_any_type_is_a_gap() -> None:
    for value, kind in ((True, "boolean"), (dt.timedelta(hours=1), "number"), (dt.date(2021, 3, 4), "datetime")):
        other = {bool: False, dt.timedelta: dt.timedelta(hours=2), dt.date: dt.date(2022, 1, 1)}[type(value)]
        data = learnt([(value, other, float("nan"))[i % 3] for i in range(N)])
        assert (data.notes[0].kind, data.notes[0].n_missing) == (kind, 20)
    labels = np.array([(True, False, np.nan)[i % 3] for i in range(N)], dtype=object)
    frame = pd.DataFrame({"x": range(N), "z": np.arange(N) / 7, "y": labels})
    assert read(frame, target="y", drop_missing_target=True).task.classes == (False, True)
