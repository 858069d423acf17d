"""Tables with one row a series, and arrays, become the same series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from annvil.errors import DataError, RequestError
from annvil.kinds.registry import read

N, STEPS = 30, 20


def values(channels: int = 1) -> Any:
    return np.random.default_rng(0).normal(size=(N, channels, STEPS)).astype(np.float32)


def answers() -> list[str]:
    return ["up" if row % 2 else "down" for row in range(N)]


def same(dataset: Any, X: Any) -> None:
    padded, lengths = dataset.inputs.padded()
    np.testing.assert_array_equal(padded, X)
    assert set(lengths) == {X.shape[2]}
    assert [dataset.task.classes[code] for code in dataset.y] == answers()


@pytest.mark.parametrize("order", ["channel by channel", "step by step"])
@pytest.mark.parametrize("name", ["{c}_{t}", "{t}_{c}", "{c}{t}", "{c}[{t}]"])
def test_channels_are_told_by_the_names_of_columns(name, order):
    X = values(3)
    places = [(c, t) for c in range(3) for t in range(STEPS)]
    places = places if order == "channel by channel" else sorted(places, key=lambda place: place[1])
    table: dict[str, Any] = {name.format(c="xyz"[c], t=t): X[:, c, t].tolist() for c, t in places}
    dataset = read(table | {"label": answers()}, target="label", steps=list(table))
    assert dataset.inputs.form.channels == ("x", "y", "z")
    same(dataset, X)


def test_ranges_name_columns(tmp_path):
    X = values()
    table = tmp_path / "ecg.csv"
    head = ",".join(["label", *(f"t{t}" for t in range(STEPS)), "patient"])
    rows = [
        ",".join([answer, *map(repr, row.tolist()), f"p{n // 3}"])
        for n, (answer, row) in enumerate(zip(answers(), X[:, 0], strict=True))
    ]
    table.write_text("\n".join([head, *rows]))
    dataset = read(table, target="label", steps="t0..t19", groups="patient")
    same(dataset, X)
    assert len(set(dataset.groups)) == 10


def test_numbers_of_channels_must_agree():
    with pytest.raises(RequestError, match="'x' 2, 'y' 1"):
        read({"x_0": [1], "x_1": [1], "y_0": [1], "label": [1]}, target="label", steps="x_0,x_1,y_0")


def test_empty_cells_at_the_end_are_shorter_series():
    X = values()
    table = {f"t{t}": [None if n == 3 and t >= 15 else float(X[n, 0, t]) for n in range(N)] for t in range(STEPS)}
    dataset = read(table | {"label": answers()}, target="label", steps="t0..t19")
    assert dataset.inputs.lengths.tolist() == [15 if n == 3 else STEPS for n in range(N)]
    assert "1 series end before" in dataset.source.details


@pytest.mark.parametrize("bad", ["texts", "dates", "nothing"])
def test_a_step_that_is_no_number_is_named(bad):
    table: dict[str, Any] = {f"t{t}": [float(n) for n in range(N)] for t in range(STEPS)}
    table["t4"] = [{"texts": "high", "dates": np.datetime64("2026-01-01")}.get(bad)] * N
    if bad == "nothing":
        table |= {name: [None] * N for name in table}
    with pytest.raises(DataError, match="'t4'" if bad != "nothing" else "has no value"):
        read(table | {"label": answers()}, target="label", steps="t0..t19")


@pytest.mark.parametrize("channels", [1, 2])
def test_arrays_in_memory_and_in_files(tmp_path, channels):
    X = values(channels)
    np.savez(tmp_path / "series.npz", X=X, y=answers())
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", answers())
    same(read((X, answers())), X)
    same(read((X, answers()), channels="a,b"[: 2 * channels - 1]), X)
    same(read(tmp_path / "series.npz"), X)
    same(read(tmp_path / "X.npy", channels="a,b"[: 2 * channels - 1]), X)
    same(read(([*X], answers())), X)


def test_parts_lengths_groups_and_names_in_a_file(tmp_path):
    X = values(2)
    lengths = np.full(N, STEPS) - np.arange(N) % 4
    train = {"X_train": X, "y_train": answers(), "lengths_train": lengths, "groups_train": np.arange(N) // 2}
    test = {"X_test": X[:10] + 1, "y_test": answers()[:10], "lengths_test": lengths[:10], "groups_test": [99] * 10}
    np.savez(tmp_path / "all.npz", channels=["acc", "gyro"], **train, **test)
    dataset = read(tmp_path / "all.npz")
    assert dataset.inputs.form.channels == ("acc", "gyro")
    assert dataset.inputs.lengths.tolist() == lengths.tolist()
    assert dataset.official_test.n_rows == 10
    assert len(set(dataset.groups)) == N // 2


def test_lists_of_unequal_length():
    found = [np.random.default_rng(n).normal(size=(2, 30 + n % 7)) for n in range(N)]
    dataset = read((found, answers()))
    assert dataset.inputs.lengths.tolist() == [one.shape[1] for one in found]
    np.testing.assert_allclose(dataset.inputs.one(5), found[5], rtol=1e-6)


def test_lists_of_unequal_channels_are_refused_as_series(tmp_path):
    found = [np.zeros((1 + n % 2, 40)) + n for n in range(N)]
    with pytest.raises(DataError, match="Series have 1, 2 channels; all need the same"):
        read((found, answers()))
    found = [np.zeros((2, n)) for n in range(N)]
    with pytest.raises(DataError, match=r"Series 1 has the shape \(2, 0\)"):
        read((found, answers()))
    np.savez(tmp_path / "few.npz", X=values(2), y=answers(), groups=np.arange(N - 1))
    with pytest.raises(DataError, match=f"{N} series in 'X' and {N - 1} values in 'groups'"):
        read(tmp_path / "few.npz")


def test_pictures_stay_pictures():
    drawn = np.random.default_rng(0).integers(0, 255, (N, 12, 12), dtype=np.uint8)
    assert read((drawn, answers())).inputs.form.kind == "pictures"
    assert read((drawn / 255.0, answers())).inputs.form.kind == "pictures"


@pytest.mark.parametrize("damage", ["fewer answers", "infinite", "an empty channel", "an empty series", "few"])
def test_what_cannot_be_is_one_sentence(damage):
    X, y = values(2).astype(np.float64), answers()
    said = {
        "fewer answers": "30 series and y has 29",
        "infinite": "Series 4 of arrays holds infinite values",
        "an empty channel": "Channel 'channel 2' of arrays has no value",
        "an empty series": "Series 'series 4' of arrays has no value",
        "few": "arrays has 7 series; at least 20",
    }
    if damage == "fewer answers":
        y = y[1:]
    elif damage == "infinite":
        X[3, 0, 3] = 1e300
    elif damage == "an empty channel":
        X[:, 1] = np.nan
    elif damage == "an empty series":
        X[3] = np.nan
    else:
        X, y = X[:7], y[:7]
    with pytest.raises(DataError, match=said[damage]):
        read((X, y), channels=None)
