"""A file for every series, and the files of the archives of series, become the series that were written."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annvil.errors import AnnvilError, DataError, RequestError
from annvil.kinds.registry import read
from annvil.kinds.series.kind import KIND
from annvil.kinds.series.reading.archive_files import is_of_series

N = 24


def series(n: int = N) -> list[Any]:
    """``(steps, 2)`` of unequal length, two decimals."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(20 + row % 4, 2)).round(2) for row in range(n)]


def write(path: Path, values: Any, time: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{step * 0.5}," * time + ",".join(map(str, row)) for step, row in enumerate(values)]
    path.write_text("\n".join(["t," * time + "acc,gyro", *rows]))


def label(row: int) -> str:
    return "walk" if row % 2 else "run"


def folder(root: Path, *, time: bool = False, head: str = "file,label,split", name: str = "labels.csv") -> Path:
    for row, values in enumerate(series()):
        write(root / "signals" / f"rec{row:02d}.csv", values, time)
    rows = [f"signals/rec{row:02d}.csv,{label(row)},{'test' if row >= 20 else 'train'}" for row in range(N)]
    (root / name).write_text("\n".join([head, *rows]))
    return root


def same(dataset: Any, rows: Any) -> None:
    written = series()
    assert dataset.n_rows == len(rows)
    for place, row in enumerate(rows):
        np.testing.assert_allclose(dataset.inputs.one(place), written[row].T, rtol=1e-6)
        assert dataset.task.classes[dataset.y[place]] == label(row)


@pytest.mark.parametrize("time", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_beside_says_what_they_are(tmp_path, time, packed):
    root = folder(tmp_path / "recordings", time=time)
    if packed:
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for path in sorted(root.rglob("*.csv")):
                archive.write(path, path.relative_to(root).as_posix())
        root = tmp_path / "all.zip"
    dataset = read(root)
    assert dataset.inputs.form.channels == ("acc", "gyro")
    assert dataset.inputs.form.every == (0.5 if time else None)
    same(dataset, range(20))
    same(dataset.official_test, range(20, 24))


@pytest.mark.parametrize("said", ["path", "name", "stem"])
def test_a_table_elsewhere_is_named(tmp_path, said):
    root = folder(tmp_path / "recordings")
    (root / "labels.csv").unlink()
    spelt = {"path": "signals/rec{:02d}.csv", "name": "rec{:02d}.csv", "stem": "rec{:02d}"}[said]
    rows = [f"{spelt.format(row)},{label(row)},p{row // 2}" for row in range(N)]
    (tmp_path / "what.csv").write_text("\n".join(["which,kind,person", *rows]))
    dataset = read(root, labels=tmp_path / "what.csv", target="kind", groups="person")
    same(dataset, range(N))
    assert len(set(dataset.groups)) == N // 2


def test_folders_are_classes(tmp_path):
    for row, values in enumerate(series()):
        write(tmp_path / label(row) / f"{row}.csv", values)
    dataset = read(tmp_path)
    assert dataset.task.classes == ("run", "walk")
    assert sorted(dataset.inputs.lengths.tolist()) == sorted(map(len, series()))


def test_windows_of_recordings(tmp_path):
    whole = [np.random.default_rng(row).normal(size=(60, 2)).round(2) for row in range(8)]
    for row, values in enumerate(whole):
        write(tmp_path / f"rec{row}.csv", values)
    rows = [f"rec{row},{start},{start + 20},{label(row)}" for row in range(8) for start in (0, 20, 30)]
    (tmp_path / "windows.csv").write_text("\n".join(["recording,start,end,label", *rows]))
    dataset = read(tmp_path)
    for place in range(24):
        start = (0, 20, 30)[place % 3]
        np.testing.assert_allclose(dataset.inputs.one(place), whole[place // 3][start : start + 20].T, rtol=1e-6)
    assert dataset.groups[1] == dataset.groups[2]  # rows 20 to 40 and 30 to 50 overlap
    assert dataset.groups[0] != dataset.groups[1]


def test_files_to_predict(tmp_path):
    form = KIND.form_to_save(read(folder(tmp_path / "recordings", time=True)))
    paths = [tmp_path / "recordings" / "signals" / f"rec{row:02d}.csv" for row in (3, 5)]
    for raw in (paths, [*map(str, paths)]):
        found = form.conform(raw).inputs
        assert found.names() == ["rec03.csv", "rec05.csv"]
        np.testing.assert_allclose(found.one(1), series()[5].T, rtol=1e-6)
    assert form.conform(str(paths[0])).inputs.n_rows == 1
    whole = form.conform(tmp_path / "recordings").inputs
    assert whole.names()[3] == "signals/rec03.csv"
    np.testing.assert_allclose(whole.one(23), series()[23].T, rtol=1e-6)
    (tmp_path / "recordings" / "labels.csv").unlink()
    assert form.conform(str(tmp_path / "recordings")).inputs.names() == whole.names()
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        archive.write(paths[1], "a/rec05.csv")
        archive.writestr("windows.csv", "file,start,end\nrec05,2,9\nrec05,0,20\n")
    windows = form.conform(str(tmp_path / "new.zip")).inputs
    assert windows.names() == ["rec05 2–9", "rec05 0–20"]
    np.testing.assert_allclose(windows.one(0), series()[5].T[:, 2:9], rtol=1e-6)
    assert form.conform({"acc": [1.0], "gyro": [2.0]}).inputs.n_rows == 1


def _headless(root: Path) -> None:
    (root / "labels.csv").unlink()


def _lacking(root: Path) -> None:
    (root / "signals" / "rec07.csv").unlink()


def _other_channel(root: Path) -> None:
    write(root / "signals" / "rec07.csv", series()[7])
    (root / "signals" / "rec07.csv").write_text((root / "signals" / "rec07.csv").read_text().replace("gyro", "mag", 1))


def _text(root: Path) -> None:
    with (root / "signals" / "rec07.csv").open("a") as stream:
        stream.write("\n0.1,broken")


def _empty(root: Path) -> None:
    (root / "signals" / "rec07.csv").write_text("")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_headless, "Nothing says what the 24 files of"),
        (_lacking, "names files that are not there .row 8: 'signals/rec07.csv'"),
        (_other_channel, "rec07.csv has no column 'gyro'"),
        (_text, "'gyro' of .*rec07.csv"),
        (_empty, "rec07.csv is empty"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, damage, said):
    root = folder(tmp_path / "recordings")
    damage(root)
    labels = root / "labels.csv"
    with pytest.raises(AnnvilError, match=said):
        read(
            root, labels=labels if labels.exists() else None, channels=["acc", "gyro"] if damage is _headless else None
        )


HEAD = "# About this set\n@problemName Hands\n@timeStamps false\n@univariate {}\n@classLabel true run walk\n@data\n"


def ts(path: Path, rows: Any = range(N), *, channels: int = 2) -> Path:
    lines = []
    for row in rows:
        values = series()[row].T[:channels]
        lines.append(":".join([*(",".join(map(str, one)) for one in values), label(row)]))
    path.write_text(HEAD.format(str(channels == 1).lower()) + "\n".join(lines))
    return path


@pytest.mark.parametrize("channels", [1, 2])
def test_ts_files(tmp_path, channels):
    dataset = read(ts(tmp_path / "Hands.ts", channels=channels))
    for row in range(N):
        np.testing.assert_allclose(dataset.inputs.one(row), series()[row].T[:channels], rtol=1e-6)
        assert dataset.task.classes[dataset.y[row]] == label(row)
    assert "the file calls them classes" in dataset.task.reason
    assert KIND.form_to_save(dataset).conform(tmp_path / "Hands.ts").inputs.n_rows == 24


def test_the_test_file_beside_is_kept_apart(tmp_path):
    ts(tmp_path / "Hands_TEST.ts", range(20, 24))
    dataset = read(ts(tmp_path / "Hands_TRAIN.ts", range(20)))
    same(dataset, range(20))
    same(dataset.official_test, range(20, 24))


@pytest.mark.parametrize("stamp", ["{}", "2026-11-{:02d}", "2026-11-01 00:{:02d}:00", "2026-11-01T00:{:02d}:30"])
def test_values_with_time_stamps(tmp_path, stamp):
    path = tmp_path / "Hands.ts"
    lines = []
    for row in range(N):
        channels = [",".join(f"({stamp.format(t + 1)},{v})" for t, v in enumerate(one)) for one in walk(row)]
        lines.append(":".join([*channels, label(row)]))
    path.write_text(HEAD.format("false").replace("@timeStamps false", "@timeStamps true") + "\n".join(lines))
    dataset = read(path)
    for row in range(N):
        np.testing.assert_allclose(dataset.inputs.one(row), walk(row), rtol=1e-6)
        assert dataset.task.classes[dataset.y[row]] == label(row)
    text = path.read_text()
    for before, after, said in (
        (f"({stamp.format(3)},", f"({stamp.format(9)},", "other time stamps"),
        (f"({stamp.format(1)},", "(soon,", "other time stamps|neither a number nor a date"),
    ):
        path.write_text(text.replace(before, after, 1))
        with pytest.raises(DataError, match=f"line 7.*({said})"):
            read(path)
    path.write_text(text.replace(f"({stamp.format(3)},", f"({stamp.format(9)},"))
    with pytest.raises(DataError, match="line 7: its time stamps are not equally far apart"):
        read(path)


def walk(row):
    """Two channels of nine steps."""
    return np.random.default_rng(row).normal(size=(2, 9)).cumsum(axis=1).round(3)


def bare(path: Path, rows: Any, *, between: str = "\t", answer: str = "{}") -> Path:
    lines = [between.join([answer.format(row % 3 - 1), *map(str, smooth(row))]) for row in rows]
    path.write_text("\n".join(lines))
    return path


def smooth(row):
    """Walks of 24 to 30 steps."""
    return np.random.default_rng(row).normal(size=24 + row % 7).cumsum().round(3)


@pytest.mark.parametrize("between", ["\t", ",", "  "])
@pytest.mark.parametrize("answer", ["{}", "{}.0000000e+00"])
def test_files_without_a_header(tmp_path, between, answer):
    """The class first, then one value a step; unlike lengths."""
    suffix = ".tsv" if between == "\t" else ".txt"
    bare(tmp_path / f"Hands_TEST{suffix}", range(20, 24), between=between, answer=answer)
    train = bare(tmp_path / f"Hands_TRAIN{suffix}", range(21), between=between, answer=answer)
    dataset = read(train)
    assert dataset.task.classes == ("-1", "0", "1")
    for rows, part in ((range(21), dataset), (range(20, 24), dataset.official_test)):
        for place, row in enumerate(rows):
            np.testing.assert_allclose(part.inputs.one(place), smooth(row)[None], rtol=1e-5)
            assert part.task.classes[part.y[place]] == str(row % 3 - 1)
    conformed = KIND.form_to_save(dataset).conform(tmp_path / f"Hands_TEST{suffix}").inputs
    assert [conformed.one(place).shape[1] for place in range(4)] == [24 + row % 7 for row in range(20, 24)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Hands.tsv", None),  # nothing says what it is
        ("Hands_TRAIN.tsv", "class\tt0\tt1"),  # a header
        ("Hands_TRAIN.tsv", "0.5" + "\t1" * 24),  # no class
        ("Hands_TRAIN.tsv", "1\t2\t3"),  # a few columns
        (
            "Hands_TRAIN.tsv",
            "\n".join("1\t" + "\t".join(map(str, np.random.default_rng(9).random((9, 30))[k])) for k in range(9)),
        ),
    ],
)
def test_tables_without_a_header_are_not_taken_for_series(tmp_path, name, line):
    path = bare(tmp_path / name, range(21))
    if line is not None:
        path.write_text(line)
    assert not is_of_series(path)


def test_unknown_values_and_numbers_to_predict(tmp_path):
    path = tmp_path / "x.ts"
    lines = [f"1,?,3,{row}:{row / 3}" for row in range(N)]
    path.write_text("@timeStamps false\n@targetLabel true\n@data\n" + "\n".join(lines))
    dataset = read(path)
    assert dataset.task.kind == "regression"
    assert dataset.inputs.one(5).tolist() == [[1, 2, 3, 5]]


def test_arff_files(tmp_path):
    one = tmp_path / "one.arff"
    names = [f"@attribute att{t} numeric" for t in range(20)]
    rows = [",".join([*map(str, series()[row][:20, 0]), label(row)]) for row in range(N)]
    one.write_text("\n".join(["% notes", "@relation hands", *names, "@attribute target {run,walk}", "@data", *rows]))
    several = tmp_path / "several.arff"
    inner = ["@attribute relationalAtt relational", *(f"  {name}" for name in names), "@end relationalAtt"]
    rows = [
        "'" + "\\n".join(",".join(map(str, series()[row][:20, c])) for c in range(2)) + f"',{label(row)}"
        for row in range(N)
    ]
    several.write_text("\n".join(["@relation hands", *inner, "@attribute class {run,walk}", "@data", *rows]))
    for path, channels in ((one, 1), (several, 2)):
        dataset = read(path)
        for row in range(N):
            np.testing.assert_allclose(dataset.inputs.one(row), series()[row][:20].T[:channels], rtol=1e-6)
            assert dataset.task.classes[dataset.y[row]] == label(row)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("@data", "@date", "no line @data"),
        ("@timeStamps false", "@timeStamps true", r"line 7 is not written as \(stamp,value\)"),
        ("@classLabel true", "@classLabel false", "no answers"),
        (":run", ":1,2:run", r"Hands.ts, line 7: its channels have .* steps"),
        (":run", "x:run", r"Hands.ts, line 7: '.*x' is not a number"),
        ("@data", "@data\n1,inf:2,3:run", r"line 7 holds infinite values"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path, before, after, said):
    path = ts(tmp_path / "Hands.ts")
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(DataError, match=said):
        read(path)


def test_names_in_an_archive_stay_inside(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for row, values in enumerate(series()):
            write(tmp_path / "x.csv", values)
            archive.write(tmp_path / "x.csv", f"../../{label(row)}/{row}.csv")
    assert read(tmp_path / "all.zip").n_rows == N
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.zip", "x.csv"]


def test_target_and_groups_of_class_folders_are_refused(tmp_path):
    for row, values in enumerate(series()):
        write(tmp_path / label(row) / f"{row}.csv", values)
    with pytest.raises(RequestError, match="its folder"):
        read(tmp_path, groups="person")
