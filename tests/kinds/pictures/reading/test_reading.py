from __future__ import annotations

import gzip
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from tests.pictures import drawn, encoded, folder_of

from annvil.data.splits import outer_splits
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.reading.read_images import read_images
from annvil.kinds.registry import read


def labels(dataset):
    return [dataset.task.classes[code] for code in dataset.y]


def test_a_folder_per_class(tmp_path):
    folder_of(tmp_path / "pets", {"cat": 15, "dog": 12})
    dataset = read(tmp_path / "pets")
    assert dataset.task.kind == "binary"
    assert set(dataset.task.classes) == {"cat", "dog"}
    assert labels(dataset) == [name.split("/")[0] for name in dataset.inputs.names()]
    assert dataset.inputs.form.shape == (12, 12, 3)
    assert np.array_equal(dataset.inputs.pixels(slice(0, 1))[0], drawn(0))
    assert dataset.official_test is None
    assert len(np.unique(dataset.groups)) == 27
    assert [note.kind for note in dataset.notes] == ["image", "role"]


def test_train_and_test_folders(tmp_path):
    folder_of(tmp_path / "train", {"cat": 12, "dog": 12})
    folder_of(tmp_path / "val", {"cat": 3, "dog": 2}, seed=100)
    folder_of(tmp_path / "test", {"cat": 4, "dog": 5, "emu": 1}, seed=200)
    dataset = read(tmp_path)
    assert dataset.n_rows == 29
    assert dataset.official_test.n_rows == 9
    assert dataset.official_test.task == dataset.task
    assert set(dataset.task.classes) == {"cat", "dog"}
    assert all(name.startswith("test/") for name in dataset.official_test.inputs.names())
    assert "9 pictures in the folder for testing are kept apart" in dataset.source.details
    assert "'emu'" in dataset.source.details
    assert "validation are learnt from" in dataset.source.details


def test_folders_inside_a_class_and_above_all_classes_do_not_matter(tmp_path):
    folder_of(tmp_path / "a" / "b", {"cat/2023": 10, "cat/2024": 5, "dog": 12})
    dataset = read(tmp_path / "a")
    assert sorted(labels(dataset)) == ["cat"] * 15 + ["dog"] * 12


def test_parts_without_folders_in_them_are_no_classes(tmp_path):
    folder_of(tmp_path, {"train": 12, "test": 12})
    with pytest.raises(DataError, match="holds the parts 'test', 'train' of a data set, but no folders in them"):
        read(tmp_path)


def test_names_of_folders_are_classes_whatever_they_read_like(tmp_path):
    for names in (
        ["0", "1", "2"],
        ["none", "NA"],
        ["2024-01-01", "2024-01-02"],
        [" ", "a|b"],
        [str(k) for k in range(30)],
    ):
        folder_of(tmp_path / names[0], dict.fromkeys(names, 10))
        dataset = read(tmp_path / names[0])
        assert {str(label).strip() or "' '" for label in dataset.task.classes} == {
            name.strip() or "' '" for name in names
        }
        assert "every folder is a class" in dataset.task.reason


def table_of(root, n=24, **columns):
    """Pictures in one folder and a table about them."""
    root.mkdir(exist_ok=True)
    lines = [",".join(["path", *columns])]
    for row in range(n):
        (root / f"{row}.png").write_bytes(encoded(drawn(row)))
        lines.append(",".join([f"{row}.png", *(str(values[row]) for values in columns.values())]))
    (root / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return root / "labels.csv"


@pytest.mark.parametrize("by", ["table", "folder"])
def test_a_table_of_paths_and_labels(tmp_path, by):
    table = table_of(tmp_path / "p", label=["a", "b", "c"] * 8)
    dataset = read(table if by == "table" else tmp_path / "p")
    assert dataset.task.target == "label"
    at = dict(zip(dataset.inputs.names(), labels(dataset), strict=True))
    assert at == {f"{row}.png": "abc"[row % 3] for row in range(24)}


def test_a_number_for_each_file(tmp_path):
    table = table_of(tmp_path / "p", weight=np.arange(24) / 7)
    dataset = read(table)
    assert dataset.task.kind == "regression"
    rows = [int(name.removesuffix(".png")) for name in dataset.inputs.names()]
    assert np.allclose(dataset.y, np.array(rows) / 7)


def test_several_labels_in_columns_and_in_lists(tmp_path):
    sea, sky = [row % 2 for row in range(24)], [int(row % 3 == 0) for row in range(24)]
    one = read(table_of(tmp_path / "a", sea=sea, sky=sky), target=["sea", "sky"])
    lists = [
        "|".join(["hill"] + ["sea"] * s + ["sky"] * k) if row else "sea"
        for row, (s, k) in enumerate(zip(sea, sky, strict=True))
    ]
    two = read(table_of(tmp_path / "b", what=lists))
    assert one.task.kind == two.task.kind == "multilabel"
    assert (one.task.classes, two.task.classes) == (("sea", "sky"), ("hill", "sea", "sky"))
    assert one.y.shape == (24, 2)
    row = one.inputs.names().index("6.png")
    assert one.y[row].tolist() == [0, 1]
    assert two.y[two.inputs.names().index("6.png")].tolist() == [1, 0, 1]
    folds = outer_splits(one, 4, 1, 0)[0]
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(24))


def test_a_split_column_and_groups_by_column(tmp_path):
    split = ["test" if row % 6 == 0 else "train" for row in range(36)]
    table = table_of(
        tmp_path / "p", 36, label=["a", "b"] * 18, split=split, patient=[f"p{row // 3}" for row in range(36)]
    )
    dataset = read(table, target="label", groups="patient")
    assert (dataset.n_rows, dataset.official_test.n_rows) == (30, 6)
    assert dataset.grouped
    patients = [int(name.removesuffix(".png")) // 3 for name in dataset.inputs.names()]
    assert len(set(zip(patients, dataset.groups.tolist(), strict=True))) == len(set(patients)) == 12


def test_groups_by_a_table_of_their_own(tmp_path):
    folder_of(tmp_path / "pets", {"cat": 12, "dog": 12})
    rows = [f"cat/{i}.png,p{i // 4}" for i in range(12)] + [f"dog/{i}.png,p{i // 4}" for i in range(12, 23)]
    (tmp_path / "patients.csv").write_text("path,patient\n" + "\n".join(rows))
    dataset = read(tmp_path / "pets", groups=str(tmp_path / "patients.csv"))
    assert dataset.grouped
    assert sorted(np.bincount(dataset.groups).tolist()) == [1, 3, 4, 4, 4, 4, 4]
    assert "1 picture that patients.csv does not name" in dataset.source.details


def test_copies_join_the_groups_of_the_user(tmp_path):
    folder_of(tmp_path / "pets", {"cat": 12, "dog": 12})
    (tmp_path / "pets" / "dog" / "23.png").write_bytes((tmp_path / "pets" / "cat" / "0.png").read_bytes())
    rows = [f"{i}.png,p{i // 4}" for i in range(24)]
    (tmp_path / "patients.csv").write_text("path,patient\n" + "\n".join(rows))
    dataset = read(tmp_path / "pets", groups=str(tmp_path / "patients.csv"))
    assert sorted(np.bincount(dataset.groups).tolist()) == [4, 4, 4, 4, 8]


def test_a_picture_in_two_groups_is_refused(tmp_path):
    folder_of(tmp_path / "pets", {"cat": 12, "dog": 12})
    rows = [f"{i}.png,p{i % 4}" for i in range(24)]
    (tmp_path / "patients.csv").write_text("file,patient\n" + "\n".join([*rows, "3.png,p0"]))
    with pytest.raises(DataError, match=r"'cat/3.png' into two groups"):
        read(tmp_path / "pets", groups=str(tmp_path / "patients.csv"))


def test_an_archive_is_read_where_it_lies(tmp_path):
    folder_of(tmp_path / "pets", {"cat": 12, "dog": 12})
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for file in sorted((tmp_path / "pets").rglob("*.png")):
            archive.write(file, f"pets/{file.parent.name}/{file.name}")
        archive.writestr("__MACOSX/pets/cat/._0.png", b"junk")
        archive.writestr("pets/.DS_Store", b"junk")
        archive.writestr("../../evil.png", encoded(drawn(1)))
        archive.writestr("/etc/evil.png", b"no picture")
    packed, plain = read(tmp_path / "pets.zip"), read(tmp_path / "pets")
    assert packed.n_rows == plain.n_rows == 24
    assert packed.inputs.digest() == plain.inputs.digest()
    assert [left.name for left in packed.inputs.store.left_out] == ["../../evil.png", "/etc/evil.png"]
    assert not (tmp_path.parent.parent / "evil.png").exists()


def test_an_archive_beyond_the_caps_is_refused(tmp_path, monkeypatch):
    from annvil.kinds.pictures.reading import listing

    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for i in range(30):
            archive.writestr(f"cat/{i}.png", encoded(drawn(i)))
    monkeypatch.setattr(listing, "MOST_MEMBERS", 10)
    with pytest.raises(DataError, match="holds 30 files, more than 10"):
        read(tmp_path / "many.zip")
    monkeypatch.setattr(listing, "MOST_MEMBERS", 100)
    monkeypatch.setattr(listing, "MOST_EXPANDED", 100)
    with pytest.raises(DataError, match="unpack it first"):
        read(tmp_path / "many.zip")


def write_idx(path, array):
    content = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_files(tmp_path, end):
    X = np.stack([drawn(row, channels=1) for row in range(40)])
    y = (np.arange(40) % 10).astype(np.uint8)
    for part, rows in (("train", slice(0, 30)), ("t10k", slice(30, 40))):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte{end}", X[rows])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte{end}", y[rows])
    dataset = read(tmp_path)
    assert (dataset.n_rows, dataset.official_test.n_rows) == (30, 10)
    assert np.array_equal(dataset.inputs.pixels()[..., 0], X[:30])
    assert np.array_equal(dataset.official_test.y, y[30:])
    alone = read(tmp_path / f"train-images-idx3-ubyte{end}")
    assert alone.n_rows == 30


def test_a_truncated_idx_file(tmp_path):
    X = np.zeros((40, 5, 5), dtype=np.uint8)
    write_idx(tmp_path / "images-idx3-ubyte", X)
    write_idx(tmp_path / "labels-idx1-ubyte", np.zeros(40, dtype=np.uint8))
    whole = (tmp_path / "images-idx3-ubyte").read_bytes()
    (tmp_path / "images-idx3-ubyte").write_bytes(whole[:200])
    with pytest.raises(DataError, match="truncated: 184 of 1,000 bytes"):
        read(tmp_path)
    (tmp_path / "images-idx3-ubyte").write_bytes(struct.pack(">HBBIII", 0, 8, 3, 2**31, 2**12, 2**12))
    with pytest.raises(DataError, match="GiB, more than 32"):
        read(tmp_path)


def test_numpy_files(tmp_path):
    X = np.stack([drawn(row) for row in range(24)])
    y = np.array(["a", "b"] * 12)
    np.savez(tmp_path / "all.npz", X_train=X, y_train=y, X_test=X[:4] + np.uint8(9), y_test=y[:4])
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    packed, plain = read(tmp_path / "all.npz"), read(tmp_path / "X.npy")
    assert (packed.n_rows, packed.official_test.n_rows, plain.n_rows) == (24, 4, 24)
    assert packed.inputs.digest() == plain.inputs.digest()
    assert isinstance(plain.inputs.store.array, np.memmap)


def test_numpy_files_never_run_code(tmp_path):
    np.save(tmp_path / "X.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "y.npy", np.arange(3))
    with pytest.raises(DataError, match=r"X.npy cannot be read as NumPy arrays"):
        read(tmp_path / "X.npy")


def test_arrays_in_memory():
    X = np.stack([drawn(row) for row in range(24)])
    dataset = read((X, ["a", "b"] * 12))
    assert dataset.inputs.store.array is X
    assert dataset.task.classes == ("a", "b")
    one_hot = read((X, np.eye(3)[np.arange(24) % 3]))
    assert one_hot.task.classes == (0, 1, 2)
    several = read((X, np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]] * 8)))
    assert several.task.kind == "multilabel"


def test_a_list_of_paths(tmp_path):
    folder_of(tmp_path, {"x": 24})
    paths = [str(tmp_path / "x" / f"{row}.png") for row in range(23, -1, -1)]
    dataset = read((paths, [f"class {row % 2}" for row in range(24)]))
    assert dataset.inputs.names() == paths
    assert np.array_equal(dataset.inputs.pixels(slice(0, 1))[0], drawn(23))


def test_the_sample_of_digits():
    dataset = read_images("sample:digit-images")
    assert (dataset.n_rows, dataset.inputs.form.shape) == (1797, (8, 8, 1))
    assert dataset.inputs.pixels().max() == 255
    assert dataset.task.classes == tuple(range(10))


def test_broken_files_are_left_out_and_named(tmp_path):
    folder_of(tmp_path, {"cat": 12, "dog": 12})
    (tmp_path / "cat" / "empty.png").touch()
    (tmp_path / "dog" / "notes.jpg").write_text("Buy milk.")
    (tmp_path / "dog" / "readme.txt").write_text("Pictures of dogs.")
    dataset = read(tmp_path)
    assert dataset.n_rows == 24
    assert {left.name: left.reason for left in dataset.inputs.store.left_out} == {
        "cat/empty.png": "is empty (0 bytes)",
        "dog/notes.jpg": "holds text, not a picture",
    }
    assert "1 .txt" in dataset.source.details


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, "holds no files"),
        ({".": 30}, "put them into a folder per class"),
        ({"cat": 30}, "holds one class only, the 30 pictures in 'cat'"),
        ({"cat": 3, "dog": 3}, "has 6 pictures that can be used; at least 20"),
        ({f"c{k}": 1 for k in range(25)}, "classes must repeat"),
    ],
)
def test_folders_that_teach_nothing(tmp_path, classes, message):
    with pytest.raises(DataError, match=message) as caught:
        read(folder_of(tmp_path, classes))
    assert "\n" not in str(caught.value)


def test_one_picture_of_every_class(tmp_path):
    folder_of(tmp_path, {f"c{k}": 1 for k in range(20)})
    with pytest.raises(DataError, match="one picture of every class"):
        read(tmp_path)


def test_what_is_asked_of_folders_that_have_no_columns(tmp_path):
    folder_of(tmp_path, {"cat": 12, "dog": 12})
    with pytest.raises(RequestError, match=r"has no column 'species' \(target\): folders hold the classes"):
        read(tmp_path, target="species")
    with pytest.raises(RequestError, match=r"--groups patients\.csv"):
        read(tmp_path, groups="patient")
    with pytest.raises(RequestError, match="Pictures have no columns"):
        read(tmp_path, drop=["a"])
    with pytest.raises(RequestError, match="size is a side"):
        read(tmp_path, size=0)
    with pytest.raises(RequestError, match="There is no file or folder"):
        read_images(tmp_path / "nothing")


def test_a_table_without_files_stays_a_table(tmp_path):
    lines = [f"{row}.png,{row % 7},{row % 2}" for row in range(30)]
    (tmp_path / "t.csv").write_text("file,size,label\n" + "\n".join(lines))
    assert [field.name for field in read(tmp_path / "t.csv", target="label").inputs.schema] == ["size"]


def test_the_column_of_files_can_be_dropped(tmp_path):
    table = table_of(tmp_path / "p", size=[row % 7 for row in range(24)], label=["a", "b"] * 12)
    dataset = read(table, target="label", drop=["path"])
    assert [field.name for field in dataset.inputs.schema] == ["size"]


def test_a_missing_file_is_named(tmp_path):
    table = table_of(tmp_path / "p", label=["a", "b"] * 12)
    table.write_text(table.read_text() + "\ngone.png,a\n")
    dataset = read(table)
    assert [left.name for left in dataset.inputs.store.left_out] == ["gone.png"]


def test_the_source_is_known_again_wherever_it_lies(tmp_path):
    folder_of(tmp_path / "a", {"cat": 12, "dog": 12})
    folder_of(tmp_path / "b", {"cat": 12, "dog": 12})
    one, two = read(tmp_path / "a"), read(tmp_path / "b")
    assert one.source.sha256 == two.source.sha256
    (tmp_path / "b" / "cat" / "0.png").write_bytes(encoded(drawn(77)))
    assert read(tmp_path / "b").source.sha256 != one.source.sha256


def test_what_is_said_of_the_pictures_belongs_to_the_source(tmp_path):
    """Other groups, other moments or other names of the same classes make other data."""
    folder_of(tmp_path / "pets", {"cat": 12, "dog": 12})
    table = tmp_path / "more.csv"
    seen = {read(tmp_path / "pets").source.sha256}
    for said in ("{0}.png,p{1}", "{0}.png,p{2}"):
        table.write_text("path,patient\n" + "\n".join(said.format(i, i // 4, i // 3) for i in range(24)))
        seen.add(read(tmp_path / "pets", groups=str(table)).source.sha256)
    for later in (0, 1):
        rows = [f"pets/{'cat' if i < 12 else 'dog'}/{i}.png,{i // 12},{2000 + i + later}" for i in range(24)]
        table.write_text("path,label,year\n" + "\n".join(rows))
        seen.add(read(table, time="year").source.sha256)
    (tmp_path / "pets" / "dog").rename(tmp_path / "pets" / "fox")
    seen.add(read(tmp_path / "pets").source.sha256)
    assert len(seen) == 6


def test_sizes_are_mixed(tmp_path):
    for row in range(12):
        for label, (h, w) in {"cat": (60, 90), "dog": (90, 60)}.items():
            (tmp_path / label).mkdir(exist_ok=True)
            (tmp_path / label / f"{row}.png").write_bytes(encoded(drawn(row, h + row, w)))
    dataset = read(tmp_path)
    form = dataset.inputs.form
    assert form.height == form.width
    assert form.height % 8 == 0
    assert form.fit == "pad"
    assert "padded" in dataset.source.details
    assert read(tmp_path, size=(20, 30)).inputs.form.shape == (20, 30, 3)
    assert Image.fromarray(dataset.inputs.pixels(slice(0, 1))[0]).size == (form.width, form.height)
