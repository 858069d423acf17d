"""Tables of series that nobody called so are told; other tables are left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import annvil
from annvil.kinds.registry import audit
from annvil.kinds.series.kind import KIND

ROWS = 60
HINTS = ("steps in columns", "series in rows")


def hints(frame, target="y"):
    return {one.kind: one for one in KIND.recognises(annvil.read(frame, target=target))}


def walks(n_steps, seed=0, n=ROWS):
    return np.random.default_rng(seed).normal(size=(n, n_steps)).cumsum(axis=1)


def wide(values, name="t{}"):
    return pd.DataFrame(values, columns=[name.format(step) for step in range(values.shape[1])])


@pytest.mark.parametrize(
    ("frame", "steps"),
    [
        (wide(walks(24)), "t0..t23"),
        (wide(walks(24), "step_{:03d}"), "step_000..step_023"),
        (wide(walks(30), "{}"), "0..29"),
        (pd.concat([wide(walks(20), "x_{}"), wide(walks(20, 1), "y_{}")], axis=1), "x_0..x_19,y_0..y_19"),
        (wide(walks(24)).drop(columns="t7"), "t0..t23"),
        (wide(walks(24)).iloc[:, ::-1].assign(age=np.arange(ROWS) % 7), "t0..t23"),
    ],
)
def test_numbered_columns_of_neighbours_in_time_are_told(frame, steps):
    found = hints(frame.assign(y=np.arange(ROWS) % 2))
    assert set(found) == {"steps in columns"}
    assert f'--steps "{steps}"' in found["steps in columns"].action
    ranges = steps.split(",")
    assert all(one in found["steps in columns"].what for one in ranges)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(size=(ROWS, 40)),  # in no order
        np.random.default_rng(0).normal(size=(ROWS, 40)) + 3 * np.random.default_rng(1).normal(size=40),
        walks(8),  # too few
        np.tile(np.arange(40.0) % 2, (ROWS, 1)) + np.random.default_rng(0).normal(size=(ROWS, 40)) / 9,
    ],
)
def test_numbered_columns_in_no_order_are_left_alone(values):
    assert not hints(wide(values, "V{}").assign(y=np.arange(ROWS) % 2))


def long_table(n_series=20, n_steps=15, names="recording {}"):
    series = np.repeat(np.arange(n_series), n_steps)
    values = walks(n_steps, 2, n_series).ravel()
    called = [names.format(one) for one in series] if names else series
    return pd.DataFrame({"who": called, "t": np.tile(np.arange(n_steps), n_series), "x": values, "y": series % 2})


@pytest.mark.parametrize("names", ["recording {}", None])
def test_rows_that_are_steps_are_told(names):
    found = hints(long_table(names=names))["series in rows"]
    assert "--series who --time t" in found.action
    assert found.severity == "warning"
    mixed = long_table(names=names).sort_values(["t", "who"])  # recordings side by side: each still rises
    assert "series in rows" in hints(mixed)


def test_groups_without_a_course_or_with_answers_of_their_own_are_left_alone():
    table = long_table()
    assert not hints(table.assign(t=table["t"] // 2))
    assert not hints(table.assign(y=np.arange(len(table)) % 2))
    assert not hints(table.assign(y=table["who"].str.len() > 11, who=table["y"].map({0: "no", 1: "yes"})))


def test_the_audit_of_tables_hints_and_that_of_series_does_not():
    frame = wide(walks(24)).assign(y=np.arange(ROWS) % 2)
    assert {one.kind for one in audit(annvil.read(frame, target="y"))} & {*HINTS} == {"steps in columns"}
    assert not {one.kind for one in audit(annvil.read(frame, target="y", steps="t0..t23"))} & {*HINTS}
