"""Parts of a data set are never classes, under whatever name; tables beside them are used, or told of."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.pictures import drawn, encoded, folder_of

from annvil.data.readers.parts import part_of
from annvil.errors import AnnvilError, DataError, RequestError
from annvil.kinds.pictures.reading.folders import by_folder
from annvil.kinds.pictures.reading.listing import Entry, Listing
from annvil.kinds.registry import read

TRAIN, VALIDATION, TEST = (
    ("train", "training", "trn"),
    ("val", "valid", "validation", "dev"),
    ("test", "testing", "eval"),
)
WRITTEN = [
    "{}", "{}_set", "{}set", "seg_{}", "{}_images", "imgs_{}", "{} Data", "{}1", "{}-data-2", "raw {}", "{}.images",
    "{}Images", "dataset_{}", "photos_of_{}",
]  # fmt: skip
SPELT = [str.lower, str.upper, str.title]


def listed(*names: str) -> Listing:
    return Listing(Path("source"), pictures=[Entry(name, name, 1, 1) for name in sorted(names)])


def found(listing: Listing) -> tuple[set[str], set[str]]:
    """Classes, and the pictures kept apart."""
    named = by_folder(listing)
    apart = {entry.name for entry, test in zip(named.pictures, named.testing, strict=True) if test}
    return set(named.answers[0].levels), apart


def test_every_usual_name_is_a_part() -> None:
    for written, spelt in itertools.product(WRITTEN, SPELT):
        for words, part in ((TRAIN, "train"), (VALIDATION, "validation"), (TEST, "test")):
            for word in words:
                name = written.format(spelt(word))
                assert part_of(name) == part, name


@pytest.mark.parametrize(
    "name",
    ["training shoes", "trainer", "latest", "valley", "contest", "device", "testudo", "trains", "Testarossa", "1",
     "cat", "eastern", "valid ticket", "test tube", "trained", "evaluator", "developer", "protest", "value"],
)  # fmt: skip
def test_words_that_merely_contain_one_are_none(name: str) -> None:
    assert part_of(name) is None


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.sampled_from(WRITTEN),
    st.sampled_from(SPELT),
    st.sampled_from(TRAIN),
    st.sampled_from(TEST),
    st.sampled_from([None, *VALIDATION]),
    st.sampled_from(["", "top/", "top/inner/"]),
    st.sampled_from(["plain", "twice", "images inside", "deeper"]),
    st.sampled_from([[], ["overview.png"], ["{top}sample/1.png"], ["{top}extra/bar/77.png"]]),
)
def test_parts_are_parts_wherever_they_lie(
    written: str, spelt, train: str, test: str, val: str | None, top: str, inside: str, beside: list[str]
) -> None:
    names = []
    for word, n in ((train, 6), (test, 4), *([(val, 3)] if val else [])):
        part = written.format(spelt(word))
        way = {"plain": "", "twice": f"{part}/", "images inside": "images/", "deeper": ""}[inside]
        more = "2024/" if inside == "deeper" else ""
        names += [f"{top}{part}/{way}{label}/{more}{word}{i}.png" for label in ("bar", "pole") for i in range(n)]
    apart = {name for name in names if f"/{test}" in name}
    classes, kept = found(listed(*names, *(name.format(top=top) for name in beside)))
    assert classes == {"bar", "pole"}
    assert kept == apart


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        (["training shoes", "dress shoes"], {"training shoes", "dress shoes"}),
        (["train", "bus", "car"], {"train", "bus", "car"}),
        (["train/red", "train/blue", "bus/red", "bus/blue"], {"train", "bus"}),  # a class of vehicles, by colour
        (["test", "control"], {"test", "control"}),
        (["xray_train/a", "xray_train/b", "xray_test/a", "xray_test/b"], {"a", "b"}),
        (["a/train", "a/test", "b/train", "b/test"], {"a", "b"}),  # parts inside the classes
        (["data/a", "data/b"], {"a", "b"}),
        (["train/a", "train/b"], {"a", "b"}),  # a part alone
        (["images_1", "images_2"], {"images_1", "images_2"}),  # nothing else says what they are
        (["a/2023", "a/2024", "b/2023"], {"a", "b"}),
    ],
)
def test_what_is_a_class(folders: list[str], classes: set[str]) -> None:
    listing = listed(*(f"{folder}/{i}.png" for folder in folders for i in range(5)))
    assert found(listing)[0] == classes


def test_parts_inside_classes_are_kept_apart() -> None:
    parts = ("train", "test")
    listing = listed(*(f"{label}/{part}/{i}.png" for label in "ab" for part in parts for i in range(3)))
    assert found(listing)[1] == {f"{label}/test/{i}.png" for label in "ab" for i in range(3)}


def shards(root: Path, table: str, n: int = 40, folder: str = "images_part_{}", name: str = "ISIC_{:05d}") -> Path:
    """Pictures in two folders that say nothing, and a table of them with these columns."""
    rows = []
    for i in range(n):
        place = root / folder.format(1 + i % 2)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name.format(i)}.png").write_bytes(encoded(drawn(i)))
        rows.append(
            table.format(id=name.format(i), group=f"L{i // 2}", label=("mel", "nv")[i // 2 % 2], age=20 + i % 9)
        )
    head = table.format(id="image_id", group="lesion_id", label="dx", age="age")
    (root / "meta.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    return root


def test_a_table_beside_shards_says_the_classes(tmp_path: Path) -> None:
    root = shards(tmp_path / "s", "{id},{group},{label}")
    for source, asked in ((root, None), (root, "dx"), (root / "meta.csv", "dx")):
        dataset = read(source, target=asked)
        assert set(dataset.task.classes) == {"mel", "nv"}
        labels = [dataset.task.classes[code] for code in dataset.y]
        numbers = [int(Path(name).stem.split("_")[-1]) for name in dataset.inputs.names()]
        assert labels == [("mel", "nv")[number // 2 % 2] for number in numbers]
    assert "'dx' is taken for the target" in read(root).source.details


def test_several_columns_that_could_be_the_target_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"Name the column of meta.csv in s to predict as target"):
        read(shards(tmp_path / "s", "{id},{age},{label}"))


def test_a_table_beside_classes_is_told_of(tmp_path: Path) -> None:
    root = shards(tmp_path / "s", "{id},{age}", folder="class {}")
    dataset = read(root)
    assert set(dataset.task.classes) == {"class 1", "class 2"}
    assert "meta.csv names the pictures, too; --target COLUMN learns a column of it." in dataset.source.details
    assert read(root, target="age").task.target == "age"


@pytest.mark.parametrize("name", ["{:05d}", "{:018d}", "{:d}", "2024010112345{:05d}", "img-{:d}"])
@pytest.mark.parametrize("as_number", [False, True])
def test_ids_are_matched_with_their_zeros_or_without(tmp_path: Path, name: str, as_number: bool) -> None:
    root = folder_of(tmp_path / "p", {".": 0})
    lines = ["id,label"]
    for i in range(30):
        text = name.format(i)
        (root / f"{text}.png").write_bytes(encoded(drawn(i)))
        lines.append(f"{int(text) if as_number and text.isdecimal() else text},{'ab'[i % 2]}")
    (root / "labels.csv").write_text("\n".join(lines))
    dataset = read(root)
    assert dataset.n_rows == 30
    for picture, code in zip(dataset.inputs.names(), dataset.y, strict=True):
        number = int(picture.removesuffix(".png").removeprefix("img-")[-5:])
        assert dataset.task.classes[code] == "ab"[number % 2]


def test_a_table_of_the_training_part_alone(tmp_path: Path) -> None:
    for i in range(40):
        place = tmp_path / ("train" if i < 25 else "test")
        place.mkdir(exist_ok=True)
        (place / f"img{i}.png").write_bytes(encoded(drawn(i)))
    table = tmp_path / "train_labels.csv"
    table.write_text("image,label\n" + "\n".join(f"img{i}.png,{'ab'[i % 2]}" for i in range(25)))
    dataset = read(tmp_path)
    assert (dataset.n_rows, dataset.official_test) == (25, None)
    assert "15 pictures that it does not name left out" in dataset.source.details
    table.write_text("image,label\n" + "\n".join(f"img{i}.png,{'ab'[i % 2]}" for i in range(40)))
    dataset = read(tmp_path)
    assert (dataset.n_rows, dataset.official_test.n_rows) == (25, 15)
    assert all(name.startswith("test/") for name in dataset.official_test.inputs.names())


def test_nothing_says_what_is_on_parts(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train_images": 12, "test_images": 12})
    with pytest.raises(DataError, match="holds the parts 'test_images', 'train_images' of a data set"):
        read(tmp_path)


def test_names_of_folders_end_in_classes_or_in_a_sentence() -> None:
    generator = np.random.default_rng(0)
    words = ["train", "test", "val", "cat", "dog", "images", "Train Data", "seg_test", "extra", "2024"]
    words += ["xray_train", "xray_test"]
    for _ in range(300):
        names = ["/".join(generator.choice(words, generator.integers(0, 4))) + f"/{i}.png" for i in range(12)]
        try:
            outcome = found(listed(*(name.lstrip("/") for name in names)))[0]
        except AnnvilError as refused:
            outcome = {str(refused)} if str(refused).endswith(".") else set()
        assert outcome
