"""A saved model of pictures takes them in any size."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image
from tests.pictures import drawn

from annvil.bundle import Predictor, load, save
from annvil.kinds.pictures.form import PictureForm
from annvil.tasks.union import make_task

FORM = PictureForm(12, 16, 3, "crop")
TASK = make_task("regression", "brightness")


@pytest.fixture
def graph(of_pictures) -> bytes:
    return of_pictures.graph


@pytest.mark.parametrize("size", [(12, 16), (45, 60), (40, 90), (6, 8)])
def test_the_graph_alone_says_what_the_model_says_of_a_file(graph, size, tmp_path):
    picture = drawn(0, *size)
    Image.fromarray(picture).save(tmp_path / "a.png")
    model = load(save(tmp_path / "model", graph, form=FORM, task=TASK))
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (alone,) = session.run(None, {"pixels": picture[None]})
    assert alone[0, 0] == pytest.approx(model.predict(tmp_path / "a.png")[0], abs=0.01)
    if size == (12, 16):
        assert alone[0, 0] == picture.mean(dtype=np.float64)


def test_pictures_of_several_sizes_are_predicted_together(graph):
    model = Predictor.from_graph(graph, FORM, TASK)
    pictures = [np.full((*size, 3), 40, np.uint8) for size in ((12, 16), (300, 20), (1, 1))]
    np.testing.assert_array_equal(model.predict(pictures), [40, 40, 40])
