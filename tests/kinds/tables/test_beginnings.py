"""Texts that hardly repeat but begin alike: models get how they begin, alone as in company, after saving as before."""

from __future__ import annotations

import base64
import doctest
import hashlib
import uuid
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil import read
from annvil.data.dataset import Dataset
from annvil.data.readers import beginnings
from annvil.data.readers.values import canonical_text
from annvil.kinds.tables.audit import audit_table
from annvil.kinds.tables.conform import conform
from annvil.kinds.tables.form import TableForm

N = 300
_SERIES = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=1, max_size=4).filter(canonical_text)
_SIGNS = st.sampled_from(["-", "_", "/", ".", ":", " ", ""])


def learnt(texts: list[Any]) -> Dataset:
    return read(
        {"c": texts, "x": [i / 7 for i in range(len(texts))], "y": [i % 2 for i in range(len(texts))]}, target="y"
    )


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(beginnings).failed == 0


@settings(deadline=None, max_examples=15)
@given(
    series=st.lists(_SERIES, min_size=2, max_size=9, unique=True),
    sign=_SIGNS,
    shop=st.booleans(),
    gaps=st.sampled_from([0, 3]),
)
def test_series_and_shops_are_categories(series: list[str], sign: str, shop: bool, gaps: int) -> None:
    """``AX-1234``; and ``S12-0042``, where the digits before the sign belong to it."""
    numbered = [f"S{i}" for i in range(len(series))] if shop else series
    sign = sign or ("-" if shop else "")
    right = [None if gaps and i % gaps == 0 else numbered[i % len(numbered)] for i in range(N)]
    texts = [None if start is None else f"{start}{sign}{1000 + 7 * i}" for i, start in enumerate(right)]
    data = learnt(texts)
    column = data.inputs.columns[0]
    assert data.notes[0].kind == "category"
    assert "how they begin" in data.notes[0].reason
    assert [start or None for start in column.texts()] == right
    form = msgspec.json.decode(msgspec.json.encode(TableForm((column.field,))), type=TableForm)
    for row in (0, 1, 2):
        for rows in ({"c": texts[row]}, {"c": [texts[row], texts[5]]}, [{"c": texts[row]}, {"c": texts[4]}]):
            assert form.conform(rows).inputs.columns[0].texts()[0] == (right[row] or "")
        again = {"c": right[row]}  # as a form that offers the levels gives it
        assert conform(again, (column.field,))[0].columns[0].texts()[0] == (right[row] or "")


def test_a_series_called_na_is_a_category() -> None:
    column = learnt([f"{('NA', 'EU')[i % 2]}-{i}" for i in range(N)]).inputs.columns[0]
    assert column.levels == ("EU", "NA.")
    assert conform({"c": "NA."}, (column.field,))[0].columns[0].levels == ("NA.",)


def test_what_models_get_of_them_is_told() -> None:
    data = learnt([f"{'ABC'[i % 3]}{i}" for i in range(N)])
    assert any(finding.kind == "only how they begin" for finding in audit_table(data))


_RANDOM = np.random.default_rng(0)
_ALPHABET = list("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")


@pytest.mark.parametrize(
    "texts",
    [
        [f"INV-{i:05d}" for i in range(N)],  # one series tells nothing
        [str(uuid.UUID(bytes=_RANDOM.bytes(16))) for _ in range(N)],
        [hashlib.sha256(str(i).encode()).hexdigest()[:24] for i in range(N)],
        [base64.b64encode(_RANDOM.bytes(9)).decode() for _ in range(N)],
        ["".join(_RANDOM.choice(_ALPHABET, 6)) for _ in range(N)],
        [f"{('Anna', 'Bo')[i % 2]} {''.join(_RANDOM.choice(list('abcdefghij'), 6))}" for i in range(N)],  # persons
        [f"{''.join(_RANDOM.choice(list('abcdefghij'), 6))}{i}@mail.org" for i in range(N)],
    ],
)
def test_what_begins_at_random_or_names_persons_is_left_out(texts: list[str]) -> None:
    assert not learnt(texts).notes[0].used


def test_whole_texts_are_kept_where_asked_for() -> None:
    texts = [f"{'ABC'[i % 3]}{i}" for i in range(N)]
    data = read({"c": texts, "y": [i % 2 for i in range(N)]}, target="y", kinds={"c": "category"})
    assert len(data.inputs.columns[0].levels) == N
