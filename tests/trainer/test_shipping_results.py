"""A trained network as a file and as a folder: the same predictions, with and without PyTorch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import annvil
from annvil.errors import AnnvilError, BundleError, DataError, RequestError

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 6)).astype(np.float32)
LABELS = np.where(X[:, 0] > 0, "high", np.where(X[:, 1] > 0, "middle", "low"))


def trained(network: nn.Module, X: object, y: object, **settings: object) -> annvil.Result:
    result = annvil.train(network, X, y, epochs=1, **settings)  # type: ignore[arg-type]
    assert isinstance(result, annvil.Result)
    return result


def dense(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, outputs))


TARGETS = {
    "classes": (3, LABELS),
    "binary": (1, (X[:, 0] > 0).astype(np.int64)),
    "multi-label": (2, (X[:, :2] > 0).astype(np.float32)),
    "numbers": (1, X[:, 0] * 2 + 1.5),
    "several numbers": (2, X[:, :2] * 1.5),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_saved_network_predicts_what_it_did(name, tmp_path):
    outputs, y = TARGETS[name]
    result = trained(dense(outputs), X, y)
    loaded = annvil.load(result.save(tmp_path / "network"))
    for rows in (X, X[:1], X[:2].tolist()):
        expected = result.predict(np.asarray(rows, np.float32))
        found = loaded.predict(np.asarray(rows, np.float32))
        assert found.dtype == expected.dtype
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, atol=1e-5)
        else:
            np.testing.assert_array_equal(found, expected)
    if name in ("classes", "binary", "multi-label"):
        np.testing.assert_allclose(loaded.predict_proba(X), result.predict_proba(X), atol=1e-6)
    else:
        with pytest.raises(RequestError, match="need classes"):
            loaded.predict_proba(X)


def test_one_file_with_named_inputs_and_any_number_of_rows(tmp_path):
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(5, 3), nn.LSTM(3, 4, batch_first=True)
            self.last = nn.Linear(10, 3)

        def forward(self, numbers: Tensor, words: Tensor) -> Tensor:
            return self.last(torch.cat([numbers, self.head(self.table(words))[0][:, -1]], 1))

    words = RANDOM.integers(0, 5, size=(300, 7))
    result = trained(Two(), {"numbers": X, "words": words}, LABELS)
    session = onnxruntime.InferenceSession(result.to_onnx(tmp_path / "two.onnx"))
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("numbers", ["rows", 6]), ("words", ["rows", 7])]
    for count in (1, 300):
        output, shares = session.run(None, {"numbers": X[:count], "words": words[:count]})
        np.testing.assert_allclose(output, result.outputs((X[:count], words[:count])).numpy(), atol=1e-5)
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)


def test_pictures_of_bytes_are_given_as_they_are(tmp_path):
    pictures = RANDOM.integers(0, 256, size=(60, 3, 8, 8), dtype=np.uint8)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    result = trained(network, pictures, np.arange(60) % 2)
    loaded = annvil.load(result.save(tmp_path / "pictures"))
    np.testing.assert_allclose(loaded.predict_proba(pictures), result.predict_proba(pictures), atol=1e-5)


def test_loading_needs_no_torch(tmp_path):
    trained(dense(3), X, LABELS).save(tmp_path / "network")
    program = (
        "import sys; sys.modules['torch'] = None; import annvil, numpy; "
        f"print(annvil.load({str(tmp_path / 'network')!r}).predict(numpy.zeros((2, 6), numpy.float32)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(2,)"


def test_weights_lie_beside_the_graph(tmp_path):
    from safetensors.numpy import load_file

    from annvil.bundle.network import WEIGHTS

    result = trained(dense(3), X, LABELS)
    kept = load_file(result.save(tmp_path / "network") / WEIGHTS)
    assert kept.keys() == result.network.state_dict().keys()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 5), np.float32), "rows of"),
        (np.zeros(6, np.float32), "rows of"),
        (np.array([["a"] * 6]), "cannot be read as float32"),
        (np.zeros((0, 6), np.float32), "no rows"),
        ((np.zeros((2, 6)), np.zeros(2)), "has 2 inputs"),
        ({"y": np.zeros((2, 6))}, "the network takes"),
    ],
)
def test_rows_unlike_those_of_training_are_refused(rows, message, tmp_path):
    loaded = annvil.load(trained(dense(3), X, LABELS).save(tmp_path / "network"))
    with pytest.raises(DataError, match=message):
        loaded.predict(rows)


@pytest.mark.parametrize("part", ["manifest.json", "model.onnx", "weights.safetensors"])
def test_one_changed_byte_is_noticed(part, tmp_path):
    folder = trained(dense(3), X, LABELS).save(tmp_path / "network")
    content = bytearray((folder / part).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / part).write_bytes(content)
    with pytest.raises(BundleError):
        annvil.load(folder)


def test_what_onnx_cannot_is_said_and_nothing_is_written(tmp_path):
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) + torch.linalg.svd(x[:, :, None])[1].sum()

    result = trained(Odd(), X, LABELS)
    with pytest.raises(AnnvilError, match="svd"):
        result.to_onnx(tmp_path / "odd.onnx")
    assert not (tmp_path / "odd.onnx").exists()


def test_other_folders_are_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="not a saved model"):
        trained(dense(3), X, LABELS).save(tmp_path)
