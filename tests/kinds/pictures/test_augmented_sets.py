"""The folder that `annvil.augment` writes: what is in it, and that it reads back as it should."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import annvil
from annvil.data.splits import outer_splits
from annvil.errors import RequestError
from annvil.kinds.pictures.augmented_sets import augment
from annvil.kinds.pictures.changed_copies import changed_copies, spread_rows
from annvil.kinds.pictures.harmless_names import folder_names
from annvil.kinds.pictures.reading.read_images import read_images
from annvil.options import ReadOptions
from annvil.preparation.augmentation import Augmentation


def scene(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), n: int = 12, sets: tuple[str, ...] = ("",)) -> Path:
    random = np.random.default_rng(0)
    for part in sets:
        for label in classes:
            (folder / part / label).mkdir(parents=True)
            for k in range(n):
                pixels = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / label / f"{k}.png")
    return folder


def opened(path: Path) -> Any:
    with Image.open(path) as picture:
        return np.asarray(picture)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_originals_and_copies_are_written_and_named(tmp_path: Path) -> None:
    source = scene(tmp_path / "photos")
    made = annvil.augment(source, 3, tmp_path / "bigger")
    rows = table(made.folder)
    assert (made.n_originals, made.n_pictures, len(rows)) == (24, 96, 96)
    assert {row["label"] for row in rows} == {"cat", "dog"}
    assert all(row["path"].startswith(row["label"] + "/") for row in rows)
    by_origin: dict[str, list[str]] = {}
    for row in rows:
        by_origin.setdefault(row["origin"], []).append(row["path"])
    assert {len(paths) for paths in by_origin.values()} == {4}
    original = opened(source / "cat" / "0.png")
    versions = [opened(made.folder / path) for path in by_origin["cat/0.png"]]
    assert np.array_equal(versions[0], original)
    assert all(version.shape == original.shape and (version != original).any() for version in versions[1:])
    assert opened(made.contact_sheet).shape[1] > 10 * 12


def test_read_again_copies_stay_together(tmp_path: Path) -> None:
    made = augment(scene(tmp_path / "photos"), 2, tmp_path / "bigger")
    dataset = read_images(made.folder)
    assert dataset.grouped
    assert any("'origin'" in said for said in dataset.inputs.store.said)
    assert (len(np.unique(dataset.groups)), dataset.n_rows) == (24, 72)
    for splits in outer_splits(dataset, 3, 1, 0):
        for split in splits:
            assert not set(dataset.groups[split.train]) & set(dataset.groups[split.test])
    grouped = read_images(made.folder, ReadOptions(groups="label"))
    assert len(np.unique(grouped.groups)) == 2  # what is asked for comes first


def test_test_pictures_get_no_copies(tmp_path: Path) -> None:
    made = augment(scene(tmp_path / "photos", sets=("train", "test")), 2, tmp_path / "bigger")
    rows = table(made.folder)
    assert [row["split"] for row in rows].count("test") == 24
    dataset = read_images(made.folder)
    assert dataset.official_test is not None
    assert (dataset.n_rows, dataset.official_test.n_rows) == (72, 24)
    assert not set(dataset.groups) & set(dataset.official_test.groups)


def test_numbers_as_targets(tmp_path: Path) -> None:
    source = scene(tmp_path / "photos", ("all",), 30)
    with (source / "labels.csv").open("w") as stream:
        stream.writelines(["path,age\n", *(f"all/{k}.png,{k / 7:.3f}\n" for k in range(30))])
    made = augment(source, 1, tmp_path / "bigger", target="age")
    rows = table(made.folder)
    assert {Path(row["path"]).parent.name for row in rows} == {"pictures"}
    dataset = read_images(made.folder)
    assert dataset.task.kind == "regression"
    assert sorted(set(dataset.y)) == pytest.approx([round(k / 7, 3) for k in range(30)])


def test_several_labels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    X, y = random.integers(0, 256, (30, 8, 8), dtype=np.uint8), random.integers(0, 2, (30, 3))
    y[:2] = 0
    made = augment((X, y), 1, tmp_path / "bigger", task="multilabel")
    assert any("--target 'label 1'" in said for said in made.said)
    dataset = read_images(made.folder, ReadOptions(target=("label 1", "label 2", "label 3")))
    assert dataset.task.n_questions > 1
    assert dataset.y.tolist() == np.repeat(y, 2, axis=0).tolist()


def test_jpeg_and_seeds(tmp_path: Path) -> None:
    X = np.random.default_rng(0).integers(0, 256, (20, 10, 10), dtype=np.uint8)
    y = np.arange(20) % 2
    folders = [augment((X, y), 1, tmp_path / str(k), seed=k // 2).folder for k in range(3)]
    contents = [[path.read_bytes() for path in sorted(folder.rglob("*.png"))] for folder in folders]
    assert contents[0] == contents[1] != contents[2]
    made = augment((X, y), 1, tmp_path / "jpeg", format="jpeg", augmentation="flip=random")
    first = Image.open(io.BytesIO((made.folder / table(made.folder)[0]["path"]).read_bytes()))
    assert (first.format, first.mode, first.size) == ("JPEG", "L", (10, 10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": 0}, "times is a whole number of copies from 1 to 1000; got 0"),
        ({"augmentation": "mixup=0.2"}, "two classes and two origins"),
        ({"augmentation": "shift=0"}, "changes nothing"),
        ({"format": "gif"}, "'png' or 'jpeg'"),
        ({"out": "no/such/place"}, "no folder .* to make place in"),
    ],
)
def test_what_is_refused(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = scene(tmp_path / "photos")
    with pytest.raises(RequestError, match=message):
        augment(source, **({"times": 1, "out": "bigger"} | options))
    assert not (tmp_path / "bigger").exists()
    with pytest.raises(RequestError, match="exists and is not empty"):
        augment(source, 1, source)


def test_nothing_half_is_left_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(done: int, of: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        augment(scene(tmp_path / "photos"), 1, tmp_path / "bigger", progress=fail)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_labels_of_strangers_become_harmless_folders() -> None:
    labels = ["a/b", "a-b", "..", "Cat", "cat", "CON", "é" * 80, " "]
    names = folder_names(labels)
    assert len({name.lower() for name in names.values()}) == len(labels)
    for name in names.values():
        assert name not in ("", ".", "..")
        assert "/" not in name
        assert len(name.encode()) < 100
    assert names["Cat"] == "Cat"
    assert names["CON"] != "CON"


def test_rows_of_a_sheet_are_spread_over_the_classes() -> None:
    assert spread_rows(["a"] * 5 + ["b"] * 5 + ["c"], 4).tolist() == [0, 1, 5, 10]


def test_copies_of_alternating_flips_are_tossed() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 1), dtype=np.uint8)
    (copy,) = changed_copies(pixels, Augmentation(flip="alternate"), 1, 0)
    flipped = (copy == pixels[:, :, ::-1]).all((1, 2, 3))
    assert 8 < flipped.sum() < 32
    assert (flipped | (copy == pixels).all((1, 2, 3))).all()
