"""A network as a member of a model: its graph says what it says, of the mirror image too."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from annvil.kinds.pictures.contenders.member import PictureMember, PixelSteps
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import images_in_memory
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer
from annvil.onnx.builder import Graph
from annvil.tasks.union import make_task


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("task", [make_task("multiclass", "y", ("a", "b", "c")), make_task("regression", "y")])
def test_a_mirrored_graph_is_one_pass_over_pictures_and_mirror_images(task, n):
    form = PictureForm(8, 12, 3)
    network = ConvolutionalNetwork(ConvolutionalArchitecture(8, 12, 3, task.n_outputs, "small", 4, (Layer(6, True),)))
    network.initialise(torch.Generator().manual_seed(0))
    pixels = np.random.default_rng(0).integers(0, 256, (n, 8, 12, 3), dtype=np.uint8)
    plain, mirrored = (PictureMember(network, task, PixelSteps(()), mirrored=m) for m in (False, True))
    graph = Graph()
    raw = graph.input("pixels", "uint8", ["rows", 8, 12, 3])
    model = graph.finish({"output": (mirrored.write(graph, raw), "float32", ["rows", task.n_outputs])})
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    images, mirror_images = (images_in_memory(p, form) for p in (pixels, pixels[:, :, ::-1]))
    found = mirrored.predict(images)
    np.testing.assert_allclose(session.run(None, {"pixels": pixels})[0], found, atol=1e-5)
    np.testing.assert_allclose(found, mirrored.predict(mirror_images), atol=1e-6)
    assert np.abs(found - plain.predict(images)).max() > 1e-4
    assert [node.op_type for node in onnx.load_from_string(model).graph.node].count("Conv") == 2
