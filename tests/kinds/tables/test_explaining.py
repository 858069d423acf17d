"""What a saved model of a table carries to be explained holds no row of it, and nothing that few rows have."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from annvil.bundle.explanation import Explanation, read_explanation
from annvil.bundle.manifest import EXPLANATION, TERMS
from annvil.data.dataset import Dataset
from annvil.data.table import table_from_columns
from annvil.kinds.tables.explaining import explaining
from annvil.tasks.union import make_task


def dataset(n_rows: int, seed: int, grouped: bool = False) -> Dataset:
    """Whole numbers, amounts with cents, days, texts of which some are rare and one is a single row's."""
    random = np.random.default_rng(seed)
    city = np.array(["Oslo", "Bergen", "Tromsø", "Bodø"])[np.minimum(random.geometric(0.6, n_rows) - 1, 3)].astype(
        object
    )
    city[random.integers(n_rows)] = "Hellesylt"
    day = np.where(
        random.random(n_rows) < 0.1, np.nan, 1.5e9 // 86400 * 86400 + 86400.0 * random.integers(0, 900, n_rows)
    )
    table = table_from_columns(
        [
            ("age", "number", random.integers(18, 90, n_rows)),
            ("amount", "number", np.round(random.lognormal(5, 1.5, n_rows), 2)),
            ("since", "datetime", day),
            ("city", "category", city),
        ]
    )
    groups = random.integers(0, max(1, n_rows // 4), n_rows) if grouped else np.arange(n_rows)
    return Dataset(table, random.integers(0, 2, n_rows), make_task("binary", "y", ("no", "yes")), groups, grouped)


def carried(data: Dataset) -> Explanation:
    parts = explaining(data, None)
    assert TERMS not in parts
    return read_explanation(parts[EXPLANATION], data.inputs.form, data.task)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_rows", [3, 30, 400, 3000])
def test_no_row_and_nothing_rare_is_carried(n_rows: int, seed: int) -> None:
    data = dataset(n_rows, seed, grouped=seed == 2)
    found = carried(data)
    rows = {
        tuple(
            None if missing else column.levels[value] if column.field.is_text else float(value)
            for column, value, missing in zip(data.inputs.columns, values, gaps, strict=True)
        )
        for values, gaps in zip(
            zip(*(column.values for column in data.inputs.columns), strict=True),
            zip(*(column.missing for column in data.inputs.columns), strict=True),
            strict=True,
        )
    }
    if n_rows >= 20:
        assert not set(found.background.points) & rows
        assert b"Hellesylt" not in msgspec.json.encode(found)
    for age, amount, since, _ in found.background.points:
        assert isinstance(age, float)
        assert age == round(age)
        assert isinstance(amount, float)
        assert amount == pytest.approx(round(amount, 2), abs=1e-9)
        assert since is None or float(since) % 86400 == 0


def test_features_know_what_a_change_may_be() -> None:
    age, amount, since, city = carried(dataset(500, 0)).features
    assert (age.whole, amount.whole, since.whole) == (True, False, True)
    assert 18 <= age.low < age.high <= 89
    assert age.spread == pytest.approx(18, abs=3)  # of uniform numbers a quarter of the range
    assert city.levels[0] == "Oslo"
    assert [one.place for one in (age, amount, since, city)] == [0, 1, 2, 0]


def test_a_column_without_values_is_no_obstacle() -> None:
    table = table_from_columns([("a", "number", [np.nan] * 40), ("b", "category", [None] * 40)])
    data = Dataset(table, np.arange(40) % 2, make_task("binary", "y", ("no", "yes")), np.arange(40))
    assert carried(data).background.points == ((None, None),)
