"""Tables with one row a step become series, whatever the order of their rows; what cannot be is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from annvil.errors import DataError, RequestError
from annvil.kinds.registry import read

N = 24


def recordings(n: int = N, *, steps: int = 12, every: float = 0.02) -> dict[str, list[Any]]:
    """Recordings of unequal length, two channels: what each step is can be told from its value."""
    rows: dict[str, list[Any]] = {name: [] for name in ("recording", "t", "x", "y", "activity")}
    for one in range(n):
        for step in range(steps + one % 5):
            rows["recording"].append(f"r{one}")
            rows["t"].append(round(step * every, 6))
            rows["x"].append(one + step / 100)
            rows["y"].append(-one * step / 10)
            rows["activity"].append("walk" if one % 2 else "run")
    return rows


def given(rows: dict[str, list[Any]], **options: Any) -> Any:
    return read(rows, **{"target": "activity", "series": "recording", "time": "t"} | options)


def shuffled(rows: dict[str, list[Any]], seed: int = 0) -> dict[str, list[Any]]:
    order = np.random.default_rng(seed).permutation(len(rows["t"]))
    return {name: [values[row] for row in order] for name, values in rows.items()}


def by_name(dataset: Any) -> dict[str, tuple[Any, Any]]:
    answers = [dataset.task.classes[code] for code in dataset.y]
    return {name: (dataset.inputs.one(row), answers[row]) for row, name in enumerate(dataset.inputs.names())}


def test_series_are_what_was_written():
    dataset = given(recordings())
    assert dataset.n_rows == N
    assert dataset.inputs.form.channels == ("x", "y")
    assert (dataset.inputs.form.shortest, dataset.inputs.form.longest) == (12, 16)
    assert dataset.inputs.form.every == pytest.approx(0.02)
    values, answer = by_name(dataset)["r7"]
    np.testing.assert_allclose(values, [[7 + s / 100 for s in range(14)], [-0.7 * s for s in range(14)]], rtol=1e-6)
    assert answer == "walk"


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_is_nothing(seed):
    first, again = by_name(given(recordings())), given(shuffled(recordings(), seed))
    assert "sorted" in again.source.details
    for name, (values, answer) in by_name(again).items():
        np.testing.assert_array_equal(values, first[name][0])
        assert answer == first[name][1]


def test_without_a_time_the_rows_are_in_order():
    rows = recordings()
    del rows["t"]
    np.testing.assert_array_equal(by_name(given(rows, time=None))["r3"][0], by_name(given(recordings()))["r3"][0])


def test_a_usual_name_that_grows_is_the_time_unasked():
    dataset = given(recordings(), time=None)
    assert dataset.inputs.form.channels == ("x", "y")
    assert "taken for the time" in dataset.source.details


def test_a_label_that_changes_is_told_with_both_moments():
    rows = recordings()
    at = rows["recording"].index("r5") + 3
    rows["activity"][at] = "sit"
    with pytest.raises(DataError, match=r"series 'r5' .*'activity'.*'walk' at 0 \(row 71\).*'sit' at 0.06 \(row 74\)"):
        given(rows)


def test_a_label_written_once_a_series_is_enough():
    rows = recordings()
    first = {}
    for row, name in enumerate(rows["recording"]):
        if first.setdefault(name, row) != row:
            rows["activity"][row] = None
    assert by_name(given(rows))["r5"][1] == "walk"


def test_texts_and_counters_are_no_channels_and_a_note_says_so():
    rows = recordings()
    n = len(rows["t"])
    rows |= {
        "row": list(range(n)),
        "remark": [f"text {row % 7}" for row in range(n)],
        "age": [40 + len(name) for name in rows["recording"]],
    }
    dataset = given(rows)
    assert dataset.inputs.form.channels == ("x", "y", "age")
    assert {note.name: note.kind for note in dataset.notes if not note.used} == {
        "recording": "role", "t": "role", "activity": "role", "row": "identifier", "remark": "text",
    }  # fmt: skip
    with pytest.raises(RequestError, match=r"'remark'.*holds texts"):
        given(rows, columns=["x", "remark"])


def test_groups_and_the_official_test():
    rows = recordings(60)
    rows["person"] = [f"p{int(name[1:]) // 3}" for name in rows["recording"]]
    rows["split"] = ["test" if int(name[1:]) >= 45 else "train" for name in rows["recording"]]
    dataset = given(rows, groups="person")
    assert dataset.n_rows == 45
    assert dataset.official_test.n_rows == 15
    assert dataset.grouped
    assert len(set(dataset.groups)) == 15
    assert not set(dataset.groups) & set(dataset.official_test.groups)


def stamped(start: str = "2026-05-01T00:00", every: str = "15m", **more: Any) -> dict[str, list[Any]]:
    rows = recordings(**more)
    unit = np.timedelta64(int(every[:-1]), every[-1])
    rows["t"] = [str(np.datetime64(start) + round(t / 0.02) * unit) for t in rows["t"]]
    return rows


@pytest.mark.parametrize("every", ["1s", "15m", "1h", "1D", "7D"])
def test_stamps_are_regular_at_any_distance(every):
    dataset = given(stamped(every=every))
    assert dataset.inputs.form.every == np.timedelta64(int(every[:-1]), every[-1]) / np.timedelta64(1, "s")
    np.testing.assert_array_equal(by_name(dataset)["r3"][0], by_name(given(recordings()))["r3"][0])


def test_months_are_equally_long():
    rows = recordings()
    rows["t"] = [f"{2020 + month // 12}-{month % 12 + 1:02d}-01" for month in (round(t / 0.02) for t in rows["t"])]
    dataset = given(rows)
    assert set(dataset.inputs.lengths) == {12, 13, 14, 15, 16}
    assert "resampled" not in dataset.source.details


def test_weekends_are_no_gaps():
    rows = recordings()
    days = np.busday_offset(np.datetime64("2026-01-01"), [round(t / 0.02) for t in rows["t"]], roll="forward")
    dataset = given(rows | {"t": [*map(str, days)]})
    np.testing.assert_array_equal(by_name(dataset)["r3"][0], by_name(given(recordings()))["r3"][0])
    assert "interpolated" not in dataset.source.details


def without(rows: dict[str, list[Any]], bad: set[int]) -> dict[str, list[Any]]:
    return {name: [value for row, value in enumerate(values) if row not in bad] for name, values in rows.items()}


def test_missing_moments_are_interpolated_and_told():
    rows = recordings()
    at = rows["recording"].index("r7")
    dataset = given(without(rows, {at + 4, at + 5}))
    np.testing.assert_allclose(by_name(dataset)["r7"][0], by_name(given(rows))["r7"][0], rtol=1e-5)
    assert "2 moments without a row" in dataset.source.details
    assert dataset.inputs.store.n_missing.sum() == 4


def test_copies_of_rows_are_left_out_and_other_values_averaged():
    rows = recordings(steps=40)
    copied = {name: [*values, values[50]] for name, values in rows.items()}
    assert "1 row repeats" in given(copied).source.details
    np.testing.assert_array_equal(by_name(given(copied))["r1"][0], by_name(given(rows))["r1"][0])
    copied["x"][-1] += 2
    assert by_name(given(copied))["r1"][0][0, 10] == pytest.approx(rows["x"][50] + 1)


def test_a_recording_that_begins_again_is_refused():
    rows = recordings()
    at = [row for row, name in enumerate(rows["recording"]) if name == "r7"]
    for step, row in enumerate(at):
        rows["t"][row] = 0.02 * (step % 7)
    with pytest.raises(DataError, match=r"series 'r7' time goes backwards, and 0 of 't' comes twice .*rows 96 and 103"):
        given(rows)


def test_a_long_hole_is_refused():
    rows = recordings()
    at = [row for row, name in enumerate(rows["recording"]) if name == "r7"]
    for row in at[6:]:
        rows["t"][row] += 100
    with pytest.raises(DataError, match=r"series 'r7' has 14 steps where .* none between 0.1 and 100.12 of 't'"):
        given(rows)


def test_uneven_steps_are_resampled_and_told():
    rows = recordings(steps=30)
    random = np.random.default_rng(0)
    rows["x"] = [2.0 * t for t in rows["t"]]
    rows["t"] = [t + random.uniform(-0.004, 0.004) for t in rows["t"]]
    rows["x"] = [2.0 * t for t in rows["t"]]
    dataset = given(rows)
    assert "resampled" in dataset.source.details
    values = by_name(dataset)["r4"][0][0]
    np.testing.assert_allclose(np.diff(values)[1:-1], 2 * dataset.inputs.form.every, rtol=1e-3)
    assert values[0] == np.float32(rows["x"][rows["recording"].index("r4")])  # the grid begins with the series


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_summer_time_comes_and_goes(day, minutes):
    """Hours of a Sunday in Berlin as its clocks show them: one is left out in spring, one comes twice in autumn."""
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    begin = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp() - 3600
    rows = recordings(steps=40)
    for row, t in enumerate(rows["t"]):
        moment = datetime.fromtimestamp(begin, ZoneInfo("UTC")) + timedelta(minutes=minutes * round(t / 0.02))
        rows["t"][row] = moment.astimezone(ZoneInfo("Europe/Berlin")).strftime("%Y-%m-%d %H:%M")
    dataset = given(rows)
    assert "summer time" in dataset.source.details
    np.testing.assert_array_equal(by_name(dataset)["r3"][0], by_name(given(recordings(steps=40)))["r3"][0])


@pytest.mark.parametrize("damage", ["moment", "no moment", "series", "channel", "text", "infinite", "target"])
def test_what_cannot_be_is_one_sentence(damage):
    rows = recordings()
    if damage == "moment":
        rows["t"][30] = None
    elif damage == "no moment":
        rows["t"] = [*map(str, rows["t"])]
        rows["t"][30] = "soon"
    elif damage == "series":
        rows["recording"][30] = None
    elif damage == "channel":
        rows["y"] = [None] * len(rows["y"])
        with pytest.raises(DataError, match="'y' of dict of columns has no value"):
            given(rows, columns=["x", "y"])
        assert given(rows).inputs.form.channels == ("x",)
        return
    elif damage == "text":
        rows["x"] = [*map(str, rows["x"])]
        rows["x"][30] = "broken"
    elif damage == "infinite":
        rows["x"][30] = 1e39
    else:
        first = rows["recording"].index("r2")
        for row in range(first, first + 14):
            rows["activity"][row] = None
    names = {
        "moment": "row 31, of series 'r2'",
        "series": "row 31",
        "text": "row 31",
        "infinite": "row 31",
        "no moment": r"'t' of .* has 1 value that is not a date or a number \(row 31: 'soon'\)",
        "target": "missing for 1 series: 'r2'",
    }
    with pytest.raises(DataError, match=names[damage]):
        given(rows)
