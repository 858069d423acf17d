"""A network to start from: lessons, variation, the folder it lies in."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from annvil.errors import BundleError, DataError, RequestError
from annvil.kinds.pictures.starts.pretrained import CARD, WEIGHTS, is_start, read_start
from annvil.kinds.pictures.starts.pretraining import Varied, lesson_of, pretrain
from annvil.kinds.registry import read
from annvil.networks.transfer import transfer_network
from annvil.training import Moment


def digits(n=200, classes=10):
    found = load_digits()
    rows = np.flatnonzero(found.target < classes)[:n]
    return np.rint(found.images[rows] * 255 / 16).astype(np.uint8), found.target[rows]


def coloured(n=40):
    X, y = digits(n, 3)
    return np.repeat(X[..., None], 3, axis=3) // np.array([1, 2, 4], dtype=np.uint8), y


def test_classes_of_all_sources_stand_side_by_side_each_in_four_turns():
    sources = [read(digits(60)), read(coloured())]
    lesson = lesson_of(sources, turns=True, seed=0)
    n_first, n_second = (len(source.task.classes) for source in sources)
    assert lesson.n_classes == 4 * (n_first + n_second)
    assert lesson.pixels.shape == (4 * (60 + 40), 8, 8, 3)
    turned = np.rot90(sources[0].inputs.pixels([0])[0], 3)
    np.testing.assert_array_equal(lesson.pixels[180], np.repeat(turned, 3, axis=2))
    assert lesson.y[180] == 3 * n_first + sources[0].y[0]
    assert lesson.y[240] == 4 * n_first + sources[1].y[0]
    assert [taught.n_rows for taught in lesson.taught] == [60, 40]
    assert lesson_of(sources, turns=False, seed=0).n_classes == n_first + n_second


def test_pictures_vary_by_moment_and_stay_bytes():
    pixels = torch.from_numpy(digits(6)[0])[None, ..., None].repeat(2, 1, 1, 1, 1)

    def changed(**moment):
        batch = pixels.clone()
        Varied()([batch], torch.arange(6), Moment(**{"seeds": (1, 2), "epoch": 0, "step": 0, "epochs": 2} | moment))
        return batch

    first = changed()
    assert first.dtype == torch.uint8
    assert torch.equal(first, changed())
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, changed(step=1))
    assert not torch.equal(first, changed(epoch=1))
    alone = pixels[1:].clone()
    Varied()([alone], torch.arange(6), Moment((2,), 0, 0, 2))
    assert torch.equal(alone[0], first[1])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "net"
    said = []
    return folder, pretrain(digits(200), folder, size=16, epochs=1, turns=False, tell=said.append), said


def test_what_is_written_can_be_started_from(made):
    folder, start, said = made
    assert is_start(folder)
    assert {file.name for file in folder.iterdir()} == {CARD, WEIGHTS}
    assert any("Epoch 1 of 1" in text for text in said)
    card = json.loads((folder / CARD).read_text())
    assert card["epochs"] == 1
    assert not any(name.startswith("head") for name in start.weights)
    assert all(array.dtype.kind != "f" or array.dtype == np.float32 for array in start.weights.values())
    network = transfer_network((start.architecture, start.weights), (8, 8, 1), 2)
    assert network.body.size == (16, 16)
    assert read_start(folder).digest == start.digest


def test_what_cannot_be_pretrained_on_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    with pytest.raises(RequestError, match="nothing is overwritten"):
        pretrain(digits(60), tmp_path / "mine", epochs=1)
    with pytest.raises(RequestError, match="at least one source"):
        pretrain([], tmp_path / "net", epochs=1)
    with pytest.raises(DataError, match="no classes to learn from"):
        pretrain((digits(60)[0], np.linspace(0, 1, 60)), tmp_path / "net", epochs=1)
    with pytest.raises(DataError, match="is a table"):
        pretrain("sample:breast-cancer", tmp_path / "net", epochs=1)


@pytest.mark.parametrize("damage", ["{", '{"format": "annvil.start"}', '{"architecture": {}, "version": 2}'])
def test_a_damaged_card_is_refused(made, tmp_path, damage):
    (tmp_path / CARD).write_text(damage)
    (tmp_path / WEIGHTS).write_bytes((made[0] / WEIGHTS).read_bytes())
    with pytest.raises(BundleError, match="is not the manifest of an Annvil model"):
        read_start(tmp_path)


def test_damaged_weights_are_refused(made, tmp_path):
    (tmp_path / CARD).write_bytes((made[0] / CARD).read_bytes())
    (tmp_path / WEIGHTS).write_bytes((made[0] / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(BundleError, match="not the file that its card describes"):
        read_start(tmp_path)
