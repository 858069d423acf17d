"""Whatever is done to a file: it is read, and every value is a number, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.errors import AnnvilError
from annvil.kinds.registry import audit, read
from annvil.kinds.series.kind import KIND

STRANGE = [
    "",
    "?",
    "nan",
    "1e39",
    "-inf",
    "text",
    "12,5",
    "0x10",
    "2026-02-30",
    "'",
    '"',
    "\t",
    "1;2",
    "99999999999999999999",
]
N, STEPS = 24, 8


def long() -> list[list[str]]:
    head = ["id", "t", "x", "y", "label"]
    at = [(n, t) for n in range(N) for t in range(STEPS + n % 3)]
    return [head, *([f"s{n}", str(t / 2), f"{n + t / 7:.3f}", f"{n * t % 5}", "ab"[n % 2]] for n, t in at)]


def wide() -> list[list[str]]:
    head = [f"{name}_{t}" for name in "xy" for t in range(STEPS)] + ["label"]
    return [head, *([*(f"{(n * k) % 7 + k / 9:.3f}" for k in range(2 * STEPS)), "ab"[n % 2]] for n in range(N))]


def ts() -> list[list[str]]:
    head = [["@problemName x"], ["@timeStamps false"], ["@classLabel true a b"], ["@data"]]
    return [
        *head,
        *([*(f"{(n * k) % 7 + k / 9:.3f}" for k in range(STEPS - 1)), f"{n}:{'ab'[n % 2]}"] for n in range(N)),
    ]


KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "long.csv": (long, {"target": "label", "series": "id", "time": "t"}),
    "wide.csv": (wide, {"target": "label", "steps": f"x_0..x_{STEPS - 1},y_0..y_{STEPS - 1}"}),
    "x.ts": (ts, {}),
    "x.arff": (ts, {"channels": ["x"]}),
}


@st.composite
def damaged(draw: Any) -> tuple[str, str]:
    """The name of a file, and its text after a few changes."""
    name = draw(st.sampled_from([*KINDS]))
    rows = KINDS[name][0]()
    for _ in range(draw(st.integers(1, 4))):
        how = draw(st.sampled_from(["cell", "cells", "row lost", "row twice", "turned", "column lost", "cut", "blank"]))
        row = draw(st.integers(0, len(rows) - 1))
        place = draw(st.integers(0, len(rows[row]) - 1)) if rows[row] else 0
        if how == "cell" and rows[row]:
            rows[row][place] = draw(st.sampled_from(STRANGE))
        elif how == "cells":
            token = draw(st.sampled_from(STRANGE))
            rows = [
                rows[0],
                *([*one[:place], token, *one[place + 1 :]] if place < len(one) else one for one in rows[1:]),
            ]
        elif how == "row lost" and len(rows) > 1:
            del rows[row]
        elif how == "row twice":
            rows.insert(row, [*rows[row]])
        elif how == "turned":
            rows = [rows[0], *rows[:0:-1]]
        elif how == "column lost":
            rows = [one[:place] + one[place + 1 :] for one in rows]
        elif how == "cut":
            rows = rows[: row + 1]
        else:
            rows.insert(row, [])
    return name, "\n".join(",".join(one) for one in rows)


@settings(max_examples=25, deadline=None)
@given(damaged())
def test_it_is_read_or_refused_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, damage: tuple[str, str]):
    name, text = damage
    path: Path = tmp_path_factory.mktemp("damaged") / name
    path.write_text(text)
    refused = ""
    try:
        dataset = read(path, **KINDS[name][1])
    except AnnvilError as error:
        refused = str(error)
    if refused:
        assert "\n" not in refused
        assert refused.endswith((".", "?"))
        return
    values, lengths = dataset.inputs.padded()
    assert dataset.n_rows == len(dataset.y) == len(dataset.groups) == len(lengths) >= 20
    assert not np.isinf(values).any()
    gaps = np.isnan(values)
    assert (gaps.any(axis=2) == (gaps.sum(axis=2) == lengths[:, None])).all()  # a channel is whole, or lacks altogether
    audit(dataset)
    assert KIND.form_to_save(dataset).check() is None
