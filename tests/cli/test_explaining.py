"""`annvil explain`: sentences on standard output, the maps in a file, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from annvil.bundle import export, save
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.onnx.builder import Graph, Value
from annvil.tasks.union import make_task


class Corner:
    """p(light) is the mean of the upper left quarter, in parts of 255."""

    def write(self, graph: Graph, pixels: Value) -> Value:
        x = graph.cast(pixels, "float32")
        corner = [graph.constant(np.array(values)) for values in ([0, 0], [8, 8], [1, 2])]
        x = graph.op("ReduceMean", graph.op("Slice", x, *corner), graph.constant(np.array([1, 2])), keepdims=0)
        light = graph.op("Div", x, graph.constant(np.float32(255)))
        return graph.concat([graph.op("Sub", graph.constant(np.float32(1)), light), light])


@pytest.fixture
def run(tmp_path):
    form = images_from_arrays(np.zeros((1, 16, 16), dtype=np.uint8)).form
    task = make_task("binary", "label", ("dark", "light"))
    path = tmp_path / "runs" / "x" / "model"
    save(path, export(Corner(), form, task), form=form, task=task, info={"title": "Boosted trees"})
    return path.parent


@pytest.fixture
def picture(tmp_path):
    pixels = np.full((16, 16), 20, dtype=np.uint8)
    pixels[1:7, 1:8] = 250
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def test_sentences_and_a_picture(annvil, run, picture, tmp_path):
    result = annvil("explain", run, picture, "-o", tmp_path / "why.png")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert said.startswith("The model says light (")
    assert "around the upper left. This map passed its tests." in said
    assert "Only occlusion can be shown." in said
    assert str(tmp_path / "why.png") in result.stderr.replace("\n", "")
    with Image.open(tmp_path / "why.png") as page:
        assert page.format == "PNG"
        assert page.width > 2 * 200


def test_for_machines(annvil, run, picture):
    result = annvil("explain", run / "model", picture, "--class", "dark", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["explained"] == "dark"
    assert told["maps"][0]["method"] == "occlusion"
    values = np.array(told["maps"][0]["values"])
    assert values[1:7, 1:8].max() < 0  # the light corner speaks against it
    assert not told["maps"][0]["trusted"]  # covering a corner that speaks against it only adds
    assert "Covering what it marks most takes hardly anything." in told["sentences"][-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("cat.png", "-o", "why.jpg"), "another ending. Use -o why.png."),
        (("cat.png", "-o", "cat.png"), "would be overwritten"),
        (("cat.png", "-o", "nowhere/why.png"), "There is no folder"),
        (("cat.png", "--class", "bright"), "knows no class 'bright'"),
        (("gone.png",), "gone.png"),
        ((".",), "is a folder: name one picture in it"),
        ((), "Name what is to be explained"),
        (("cat.png", "--rows", "1"), "--rows does not go with"),
        (("cat.png", "--change", "size"), "--change does not go with"),
    ],
)
def test_what_cannot_be_done_is_said(annvil, run, picture, monkeypatch, options, message):
    monkeypatch.chdir(picture.parent)
    before = picture.read_bytes()
    result = annvil("explain", run, *options)
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())
    assert picture.read_bytes() == before
