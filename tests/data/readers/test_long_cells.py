"""One cell, however long, takes no longer than its length asks for; patterns that try every division take hours."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

from annvil import read
from annvil.data import readers
from annvil.data.readers.dates import DATE_STYLES
from annvil.data.readers.numbers import loosely, parse_number, written
from annvil.data.readers.times import parse_time
from annvil.data.readers.values import canonical_text

LENGTH = 20_000
LONG = [
    sign * LENGTH + end for sign in ("1", " ", "a", ".", ",", "-", "1 ", "1.", "1,", "1:", "A-") for end in ("!", "x")
]
LONG += [start + " " * LENGTH + "!" for start in ("1", "(", "$", "2021-01-01", "Jan", "1 Jan 2021", "1h")]


def patterns(value: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from patterns(one)
    elif isinstance(value, dict):
        yield from patterns(list(value.values()))


GUARDED = {"_DRESSED", "_LOOSE", "_SPOKEN", "_CLOCK", "_ISO", "_LAP", "_DAYS"}
"""Patterns that see short texts only; their functions are tried below."""

FOUND = {
    f"{module.name}.{name}": list(patterns(value))
    for module in pkgutil.iter_modules(readers.__path__)
    for name, value in vars(importlib.import_module(f"annvil.data.readers.{module.name}")).items()
    if name not in GUARDED and any(True for _ in patterns(value))
}


@pytest.mark.parametrize("name", FOUND)
def test_patterns_take_no_longer_than_the_text(name: str) -> None:
    for pattern in FOUND[name]:
        for text in LONG:
            assert pattern.fullmatch(text) is None or pattern.search(text) is not None


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_readers_of_one_value_take_no_longer_than_the_text(text: str) -> None:
    for comma in (False, True):
        assert written(text, comma=comma) is loosely(text, comma=comma) is None
    assert parse_time(text) is parse_number(text, "time") is None
    assert not any(style.seconds(text) for style in DATE_STYLES.values())
    assert canonical_text(text) == text.strip()


def test_texts_of_more_digits_than_python_reads(tmp_path: Any) -> None:
    path = tmp_path / "a.csv"
    path.write_text("c,x,y\n" + "".join(f"{'1' * 5000}{i % 5},{i / 7},{i % 2}\n" for i in range(60)))
    assert read(path, target="y", kinds={"c": "category"}).inputs.columns[0].levels[0] == "1" * 5000 + "0"
