from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import drawn, encoded, folder_of, header_only

from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.conform import conform_images
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import images_in_memory
from annvil.kinds.registry import read


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = folder_of(tmp_path_factory.mktemp("p"), {"cat": 12, "dog": 12}, height=20, width=24)
    dataset = read(root, size=(16, 16))
    return root, dataset


def form(height=12, width=12, channels=3, **more):
    return PictureForm(height, width, channels, **more)


def test_every_way_of_handing_over_a_picture_gives_the_training_pixels(trained, tmp_path):
    root, dataset = trained
    path = root / "cat" / "3.png"
    expected = dataset.inputs.pixels(np.array([dataset.inputs.names().index("cat/3.png")]))
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.write(path, "deep/in/3.png")
    (tmp_path / "paths.csv").write_text(f"file\n{path}\n{path}\n")
    for source in (
        path,
        str(path),
        [path],
        path.read_bytes(),
        [path.read_bytes()],
        Image.open(path),
        [Image.open(path)],
        np.asarray(Image.open(path)),
        np.asarray(Image.open(path))[None],
        {"image": path.read_bytes()},
        {"image": str(path)},
        [{"image": np.asarray(Image.open(path))}],
        tmp_path / "one.zip",
        dataset.inputs.take(np.array([dataset.inputs.names().index("cat/3.png")])),
    ):
        images, notices = conform_images(source, dataset.inputs.form)
        assert np.array_equal(images.pixels(), expected), type(source)
        assert notices == ()
        assert images.form == dataset.inputs.form
    images, _ = conform_images(tmp_path / "paths.csv", dataset.inputs.form)
    assert np.array_equal(images.pixels(), np.concatenate([expected, expected]))


@pytest.mark.parametrize("limit", [2**28, 0], ids=["memory", "cache"])
def test_a_folder_in_the_order_of_its_names(trained, limit, monkeypatch):
    from annvil.kinds.pictures import conform as conforming

    monkeypatch.setattr(conforming, "IN_MEMORY", limit)
    root, dataset = trained
    (root / "notes.txt").write_text("hello")
    images, notices = conform_images(root, dataset.inputs.form)
    assert images.names() == dataset.inputs.names()
    assert np.array_equal(images.pixels(), dataset.inputs.pixels())
    assert notices == ("1 file of other kinds not looked at.",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"text, no more", "holds text, not a picture"),
        (encoded(drawn(1, 50, 50))[:200], "is damaged"),
        (header_only(20_000, 20_000), "400 million pixels"),
    ],
)
def test_a_broken_file_is_named(trained, tmp_path, content, message):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    for source in (path, [path], tmp_path, {"image": str(path)}):
        with pytest.raises(DataError, match=message) as caught:
            conform_images(source, trained[1].inputs.form)
        assert "bad.png" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="to predict: the content"):
        conform_images(content, trained[1].inputs.form)


SHAPES = {
    (12, 12): 1,
    (5, 12, 12): 5,
    (30, 40): 1,
    (30, 40, 3): 1,
    (30, 40, 4): 1,
    (5, 30, 40, 3): 5,
    (7, 40, 30): 7,
    (2, 3, 30, 40): 2,
}


@pytest.mark.parametrize(("shape", "n"), list(SHAPES.items()))
def test_arrays_of_all_shapes(shape, n):
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for channels in (1, 3):
        images, _ = conform_images(array, form(channels=channels))
        assert images.pixels().shape == (n, 12, 12, channels)


def test_arrays_that_are_no_pictures():
    for array, message in (
        (np.zeros(5), "pictures are"),
        (np.zeros((2, 2, 2, 2, 2)), "pictures are"),
        (np.array(["a"]), "must be paths, arrays"),
        ({"photo": b""}, "must be given as {'image': …}"),
        (object(), "must be paths, arrays"),
    ):
        with pytest.raises(DataError, match=message):
            conform_images(array, form())


def test_values_are_scaled_as_in_training():
    X = np.random.default_rng(0).integers(0, 17, (30, 8, 8)).astype(float)
    dataset = read((X, np.arange(30) % 2))
    assert (dataset.inputs.form.low, dataset.inputs.form.high) == (0, 16)
    images, _ = conform_images(X[:1] / 2, dataset.inputs.form)
    assert np.array_equal(images.pixels()[0, :, :, 0], np.rint(X[0] / 2 * 255 / 16))


@pytest.mark.parametrize("low_high", [(0, 16), (0, 1), (-1, 1), (0, 65535), (0, 255), (3, 4000), (0, 0)])
def test_a_picture_taken_out_of_a_data_set_comes_back_in(low_high):
    """What costs and exports are measured with is handed over as a user would: in the range that was given."""
    form = PictureForm(6, 5, 1, "pad", *map(float, low_high))
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 1), dtype=np.uint8)
    pixels[0] = 255
    images = images_in_memory(pixels, form)
    for row in range(4):
        np.testing.assert_array_equal(form.conform(images.raw_row(row)).inputs.pixels()[0], pixels[row])


def test_paths_that_do_not_exist(trained):
    with pytest.raises(RequestError, match="There is no file"):
        conform_images("nowhere/cat.png", trained[1].inputs.form)
    with pytest.raises(RequestError, match="There is no file"):
        conform_images([Path("nowhere/cat.png")], trained[1].inputs.form)


def test_a_pil_image_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(drawn(3, 10, 20), "JPEG", exif=exif)
    by_image, _ = conform_images(Image.open(io.BytesIO(content)), form(20, 10))
    by_bytes, _ = conform_images(content, form(20, 10))
    assert np.array_equal(by_image.pixels(), by_bytes.pixels())


@pytest.mark.parametrize("limit", [2**28, 0], ids=["memory", "cache"])
@pytest.mark.parametrize("by", ["folder", "zip", "table", "files"])
def test_a_broken_file_does_not_lose_the_others(tmp_path, by, limit, monkeypatch):
    from annvil.kinds.pictures import conform as conforming

    monkeypatch.setattr(conforming, "IN_MEMORY", limit)
    folder_of(tmp_path / "p", {".": 4})
    whole, _ = conform_images(tmp_path / "p", form())
    paths = sorted((tmp_path / "p").iterdir())
    paths[1].write_bytes(b"no picture")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    (tmp_path / "t.csv").write_text("file\n" + "\n".join(map(str, [*paths, paths[1]])))
    source = {"folder": tmp_path / "p", "zip": tmp_path / "p.zip", "table": tmp_path / "t.csv"}.get(by)
    images, notices = conform_images(source or conforming.Files(map(str, paths)), form())
    assert [Path(name).name for name in images.names()] == ["0.png", "2.png", "3.png"]
    assert np.array_equal(images.pixels(), whole.pixels()[[0, 2, 3]])
    assert len(notices) == 1
    assert notices[0].startswith("1 picture left out: ")
    assert notices[0].endswith("1.png holds text, not a picture.")
    with pytest.raises(DataError, match=r"1.png holds text"):
        conform_images(list(map(str, paths)), form())  # as many predictions as items of a list


def test_a_table_of_ids_without_endings(tmp_path):
    folder_of(tmp_path, {"images_1": 3, "images_2": 3})
    (tmp_path / "ids.csv").write_text("image_id\n4\n0\n4\n")
    images, _ = conform_images(tmp_path / "ids.csv", form())
    assert images.names() == ["4", "0", "4"]
    assert np.array_equal(images.pixels()[0], drawn(4))
