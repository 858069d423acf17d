"""Layouts of picture folders as people publish them: what is a class, what a part, and which picture a name means."""

from __future__ import annotations

import csv
import itertools
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from tests.kinds.pictures.reading.test_parts import found, listed
from tests.pictures import drawn, encoded

from annvil.errors import DataError
from annvil.kinds.pictures.reading.resolving import in_listing
from annvil.kinds.registry import read

PARTS = {"train": ("train", "Training", "TRAIN"), "test": ("test", "Testing", "PublicTest"), "val": ("val", "valid")}
CLASSES = ("Äpfel", "pole", "Car 2")


def spelt(label: str, way: str) -> str:
    if way == "decomposed":
        return unicodedata.normalize("NFD", label)
    return {"as it is": label, "lower": label.lower(), "upper": label.upper()}[way]


@settings(max_examples=60, deadline=None)
@given(
    words=st.tuples(*(st.sampled_from(names) for names in PARTS.values())),
    ways=st.tuples(*(st.sampled_from(["as it is", "lower", "upper", "decomposed"]) for _ in range(2))),
    validated=st.booleans(),
    again=st.sampled_from(["", "images/", "{first}/"]),
    prefix=st.sampled_from(["", "asl_alphabet_"]),
)
def test_one_class_whatever_its_spelling_in_other_parts(words, ways, validated, again, prefix) -> None:
    """Parts that write a class in other capitals or another Unicode form; folders of one name inside each other."""
    train, test, val = (prefix + word for word in words)
    names = []
    for part, way in ((train, "as it is"), (test, ways[0]), *([(val, ways[1])] if validated else [])):
        inner = again.format(first=part)
        names += [f"{part}/{inner}{spelt(label, way)}/{i}.png" for label in CLASSES for i in range(3)]
    classes, apart = found(listed(*names))
    assert classes == set(CLASSES)
    assert apart == {name for name in names if name.startswith(f"{test}/")}


@settings(max_examples=60, deadline=None)
@given(
    written=st.sampled_from(["{}{}", "{}_{}", "{} {}", "{}-{}"]),
    reverse=st.booleans(),
    classes=st.sampled_from([("A", "B"), ("Cats", "Dogs", "Cows"), ("Zebra", "Horse")]),
    top=st.sampled_from(["", "horse2zebra/"]),
)
def test_names_of_part_and_class_say_both(written, reverse, classes, top) -> None:
    def folder(part: str, label: str) -> str:
        return written.format(label, part.title()) if reverse else written.format(part, label)

    names = [f"{top}{folder(p, label)}/{i}.png" for p in ("train", "test") for label in classes for i in range(3)]
    kept, apart = found(listed(*names))
    assert kept == set(classes)
    assert apart == {f"{top}{folder('test', label)}/{i}.png" for label in classes for i in range(3)}


@pytest.mark.parametrize("piece", ["fold{}", "fold_{}", "batch{}", "images_{}", "part-{}", "shard {}", "raw{}"])
@pytest.mark.parametrize("n", [2, 5])
def test_numbered_pieces_are_passed_through(piece: str, n: int) -> None:
    names = [f"{piece.format(k)}/{label}/{i}.png" for k in range(n) for label in "ab" for i in range(3)]
    assert found(listed(*names)) == ({"a", "b"}, set())


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        (["fold1", "fold2"], {"fold1", "fold2"}),  # nothing in them
        (["fold1/a", "fold2/b"], {"fold1", "fold2"}),  # not the same in each
        (["person1/left", "person1/right", "person2/left", "person2/right"], {"person1", "person2"}),
        (["test_positive", "test_negative"], {"test_positive", "test_negative"}),  # one part alone
        (["train_a", "train_b", "test_a"], {"train_a", "train_b", "test_a"}),  # not every part has every class
        (["Cat", "cat"], {"Cat", "cat"}),  # capitals matter within a part
        (["train/Cat", "train/cat", "test/CAT"], {"Cat", "cat"}),
        (["mask", "no mask"], {"mask", "no mask"}),
        (["with_mask", "without_mask"], {"with_mask", "without_mask"}),
    ],
)
def test_what_stays_a_class(folders: list[str], classes: set[str]) -> None:
    assert found(listed(*(f"{folder}/{i}.png" for folder in folders for i in range(3))))[0] == classes


@pytest.mark.parametrize("drawn_of", ["masks", "Mask", "annotations", "seg_masks", "thumbnails", "GroundTruth"])
def test_masks_beside_their_pictures_are_no_class(drawn_of: str) -> None:
    with pytest.raises(DataError, match="masks are not learnt"):
        found(listed(*(f"{folder}/{i}.png" for folder in ("images", drawn_of) for i in range(3))))


WAYS = {
    "as it lies": lambda name: name,
    "from elsewhere": lambda name: f"/home/me/data/{name}",
    "of Windows": lambda name: ".\\" + name.replace("/", "\\"),
    "the file alone": lambda name: name.rsplit("/", 1)[-1],
    "without its first folder": lambda name: name.split("/", 1)[-1],
    "without its ending": lambda name: name.rpartition(".")[0],
    "of another ending": lambda name: name.rpartition(".")[0] + ".jpeg",
    "in capitals": lambda name: name.rpartition(".")[0] + ".PNG",
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
}
PLACES = st.lists(
    st.tuples(
        st.sampled_from(["", "x/", "y/", "x/images/", "ä/", "x/y/"]),
        st.sampled_from(["1", "2", "01", "1e5", "ö", "a.b", "cat.1", "10"]),
        st.sampled_from([".png", ".jpg"]),
    ).map("".join),
    min_size=1,
    max_size=12,
    unique=True,
)


@settings(max_examples=150, deadline=None)
@given(PLACES, st.sampled_from(sorted(WAYS)), st.sampled_from(["", "x/", "y/"]), st.randoms(use_true_random=False))
def test_a_name_means_its_picture_or_none(places: list[str], way: str, folder: str, random) -> None:
    """Never another one: what it means ends as the text does; and a name that only one picture can have is found."""
    resolve, place = in_listing(listed(*places), folder), random.choice(places)
    text = WAYS[way](place)
    entry = resolve(text)

    def stem(name: str) -> str:
        return unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".PNG")

    bare = {stem(name).removesuffix(".png").removesuffix(".jpg").lstrip("0") for name in places}
    assert entry is None or stem(entry.name).rpartition(".")[0].lstrip("0") in {
        stem(place).rpartition(".")[0].lstrip("0"),
        stem(text).lstrip("0"),
    }
    if len(bare) == len(places):
        assert entry is not None
        assert entry.name == place
    if way in ("as it lies", "of Windows", "decomposed"):
        assert entry is not None
        assert entry.name == (folder + place if folder + place in places else place)


def table(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, *rows])


def pictures(root: Path, folder: str, names: Sequence[str], seed: int = 0) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (root / folder / name).write_bytes(encoded(drawn(seed + number, 6, 6, 1)))


@pytest.mark.parametrize("where", ["beside", "in the parts", "in the parts, above the pictures"])
@pytest.mark.parametrize("same_names", [False, True])
@pytest.mark.parametrize("validated", [False, True])
def test_a_table_for_each_part(tmp_path: Path, where: str, same_names: bool, validated: bool) -> None:
    """``train.csv``, ``val.csv`` and ``test.csv``, or one in each part: all are read, the test part is kept apart."""
    sizes = {"train": 24, "test": 8, **({"val": 6} if validated else {})}
    same_names = same_names and where != "beside"  # names that several pictures have mean none of them
    inside = "/images" if where.endswith("above the pictures") else ""
    for number, (part, n) in enumerate(sizes.items()):
        names = [f"{'' if same_names else part}{i}.png" for i in range(n)]
        pictures(tmp_path, part + inside, names, 100 * number)
        place = f"{part}_labels.csv" if where == "beside" else f"{part}/labels.csv"
        table(tmp_path / place, ["file", "label"], [[name, "ab"[i % 2]] for i, name in enumerate(names)])
    dataset = read(tmp_path)
    assert dataset.n_rows == sum(n for part, n in sizes.items() if part != "test")
    assert dataset.official_test is not None
    assert dataset.official_test.n_rows == sizes["test"]
    for part in (dataset, dataset.official_test):
        numbers = [int("".join(filter(str.isdigit, Path(name).stem))) for name in part.inputs.names()]
        assert [part.task.classes[code] for code in part.y] == ["ab"[number % 2] for number in numbers]
    assert "8 rows of the table for testing are kept apart" in dataset.source.details


def test_a_table_of_a_part_without_answers_is_left_alone(tmp_path: Path) -> None:
    pictures(tmp_path, "images", [f"{i}.png" for i in range(40)])
    table(tmp_path / "train.csv", ["id", "target"], [[i, i % 2] for i in range(24)])
    table(tmp_path / "test.csv", ["id", "target"], [[i, ""] for i in range(24, 32)])
    table(tmp_path / "sample_submission.csv", ["id", "target"], [[i, 0] for i in range(24, 40)])
    dataset = read(tmp_path)
    assert (dataset.n_rows, dataset.official_test) == (24, None)


@pytest.mark.parametrize("head", [["image", "label", "x", "y", "w", "h"], ["image", "class", "category", "y"]])
def test_the_surest_name_of_a_label_counts(tmp_path: Path, head: list[str]) -> None:
    pictures(tmp_path, "images", [f"{i}.png" for i in range(24)])
    table(tmp_path / "labels.csv", head, [[f"{i}.png", "ab"[i % 2], *range(len(head) - 2)] for i in range(24)])
    assert read(tmp_path).task.target == head[1]


def test_a_table_of_labels_that_cannot_be_used_is_told_of(tmp_path: Path) -> None:
    pictures(tmp_path, "x", [f"{i}.png" for i in range(12)])
    pictures(tmp_path, "y", [f"{i}.png" for i in range(12)], 50)
    table(tmp_path / "labels.csv", ["file", "label"], [[i, "ab"[i % 2]] for i in range(12)])
    assert "labels.csv is not used: none of its columns names the pictures" in read(tmp_path).source.details
    for other in (tmp_path / "y").iterdir():
        other.rename(tmp_path / "x" / f"{other.stem}.bmp")
    with pytest.raises(DataError, match=r"one class only.*labels\.csv is not used"):
        read(tmp_path)


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"without its ending"}))
@pytest.mark.parametrize("named", ["the table", "its folder"])
def test_a_table_means_the_same_pictures_however_it_is_named(tmp_path: Path, way: str, named: str) -> None:
    """Paths from elsewhere, of Windows, decomposed or of another ending: by the table or by the folder it lies in."""
    names = [f"scans/ä{i}.png" for i in range(24)]
    pictures(tmp_path, "scans", [Path(name).name for name in names])
    rows = [[WAYS[way](name), "ab"[i % 2]] for i, name in enumerate(names)]
    table(tmp_path / "labels.csv", ["file", "label"], rows)
    dataset = read(tmp_path / "labels.csv" if named == "the table" else tmp_path)
    numbers = [int("".join(filter(str.isdigit, Path(name).stem))) for name in dataset.inputs.names()]
    assert sorted(numbers) == list(range(24))
    assert [dataset.task.classes[code] for code in dataset.y] == ["ab"[number % 2] for number in numbers]


@pytest.mark.parametrize("hold", [list, tuple, np.array, pd.Series, pl.Series])
def test_paths_come_in_anything_that_holds_texts(tmp_path: Path, hold) -> None:
    names = [f"{i}.png" for i in range(24)]
    pictures(tmp_path, "scans", names)
    dataset = read((hold([str(tmp_path / "scans" / name) for name in names]), hold(["ab"[i % 2] for i in range(24)])))
    assert [int(Path(name).stem) % 2 for name in dataset.inputs.names()] == dataset.y.tolist()
    assert dataset.n_rows == 24


X = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
Y = np.arange(60) % 3


@pytest.mark.parametrize(
    ("names", "n_testing"),
    [
        (("X_train", "y_train", "X_val", "y_val", "X_test", "y_test"), 20),
        (("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"), 20),
        (("Xtrain", "ytrain", "Xvalid", "yvalid", "Xtest", "ytest"), 20),
        (("images_latest", "labels_latest"), 0),
        (("contest_images", "contest_labels"), 0),
        (("X_val", "y_val", "X_test", "y_test"), 20),
    ],
)
def test_parts_in_arrays(tmp_path: Path, names: tuple[str, ...], n_testing: int) -> None:
    """Validation is learnt from; "latest" and "contest" are no tests."""
    ends = [0, 30, 40, 60] if len(names) == 6 else [0, 40, 60] if len(names) == 4 else [0, 60]
    parts = [slice(*pair) for pair in itertools.pairwise(ends)]
    arrays = [part for cut in parts for part in (X[cut], Y[cut])]
    np.savez(tmp_path / "d.npz", **dict(zip(names, arrays, strict=True)))
    dataset = read(tmp_path / "d.npz")
    assert dataset.n_rows == 60 - n_testing
    np.testing.assert_array_equal(dataset.y, Y[: 60 - n_testing])
    assert (0 if dataset.official_test is None else dataset.official_test.n_rows) == n_testing


@pytest.mark.parametrize("make", [lambda one: one, Image.fromarray], ids=["arrays", "images"])
def test_a_list_of_pictures_is_an_array_of_them(make) -> None:
    dataset = read(([make(one) for one in X], Y))
    np.testing.assert_array_equal(dataset.inputs.pixels()[..., 0], X)
    with pytest.raises(DataError, match=r"the first is 8 × 8, number 3 is 4 × 8"):
        read(([make(X[0]), make(X[1]), make(X[2][:4])] * 10, np.tile(Y[:3], 10)))


@pytest.mark.parametrize("left", ["$RECYCLE.BIN", "System Volume Information", "@eaDir", "__MACOSX", ".trash"])
def test_what_systems_leave_behind_is_no_class(tmp_path: Path, left: str) -> None:
    for number, folder in enumerate(("a", "b", left)):
        pictures(tmp_path, folder, [f"{i}.png" for i in range(12)], 20 * number)
    assert set(read(tmp_path).task.classes) == {"a", "b"}
