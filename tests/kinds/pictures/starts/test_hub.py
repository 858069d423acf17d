"""Backbones of Hugging Face's transformers, made by chance and saved in a folder: no download."""

import sys

import numpy as np
import onnxruntime as ort
import pytest
import torch
from sklearn.datasets import load_digits

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.errors import MachineError, RequestError
from annvil.kinds.pictures.contenders.transfer_learning import Transfer, operations_of
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.starts.hub import load_backbone
from annvil.models.jobs import Context, Effort, Job
from annvil.networks.restoring import restore
from annvil.networks.transfer import transfer_network
from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module
from annvil.onnx.validator import check_graph
from annvil.tasks.union import make_task

transformers = pytest.importorskip("transformers")

CONFIGS = {
    "resnet": lambda: transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
    ),
    "vit": lambda: transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
    ),
    "mobilenet": lambda: transformers.MobileNetV2Config(depth_multiplier=0.1, num_hidden_layers=4),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name, config in CONFIGS.items():
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(config())
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(
                    (20.0 if name == "mobilenet" else 2.0) if parameter.dim() > 1 else 1.0
                )  # so that they see
        made[name] = tmp_path_factory.mktemp("backbones") / name
        model.save_pretrained(made[name])
    return made


@pytest.mark.parametrize("name", ["vit", *(pytest.param(n, marks=pytest.mark.slow) for n in ("resnet", "mobilenet"))])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_graph_and_memory_agree_and_a_saved_one_is_restored(name, folders):
    start = load_backbone(str(folders[name]))
    assert start.architecture["fixed"] == (name == "vit")
    network = transfer_network((start.architecture, start.weights), (24, 24, 1), 3).eval()
    assert network.body.size == ((32, 32) if name == "vit" else (64, 64))
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 24, 24, 1), dtype=np.uint8))
    expected = network(pixels).detach().numpy()
    assert np.ptp(expected, axis=0).max() > 0
    graph = Graph()
    given = graph.input("pixels", "uint8", ["rows", 24, 24, 1])
    (output,) = export_module(graph, network, given, examples=network.examples())
    content = graph.finish({"prediction": (output, "float32", ["rows", 3])})
    check_graph(content)
    found = ort.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"pixels": pixels.numpy()})[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    weights = {n: v.numpy() for n, v in network.state_dict().items()}
    again = restore(network.architecture.to_json(), weights)
    np.testing.assert_array_equal(again(pixels).detach().numpy(), expected)


def test_lower_layers_lie_deeper(folders):
    start = load_backbone(str(folders["vit"]))
    depths = transfer_network((start.architecture, start.weights), (24, 24, 3), 3).body.depths()
    first = next(depth for name, depth in depths.items() if "embeddings" in name)
    lower = next(depth for name, depth in depths.items() if ".0." in name and "layer" in name)
    upper = next(depth for name, depth in depths.items() if ".1." in name and "layer" in name)
    assert first > lower > upper == 1


@pytest.mark.slow
def test_it_competes(folders):
    digits = load_digits()
    pixels = np.rint(digits.images[:60] * 255 / 16).astype(np.uint8)
    y = (digits.target[:60] > 4).astype(np.int64)
    dataset = Dataset(images_from_arrays(pixels), y, make_task("binary", "large", ("no", "yes")), np.arange(60))
    start = load_backbone(str(folders["vit"]))
    assert operations_of(start, dataset.inputs.form) > 1e4
    rows = np.arange(50)
    job = Job("job", rows, (Split(rows[25:], rows[:25]), Split(rows[:25], rows[25:])), 0)
    (found,) = Transfer(start).fit(dataset, [job], Effort(configuration={"epochs": 1, "tune": True}), Context())
    assert found.predict(dataset.inputs).shape == (60, 2)
    assert found.configuration["tune"] is True


def test_what_is_no_backbone_is_refused(folders, tmp_path, monkeypatch):
    with pytest.raises(RequestError, match="is no backbone that can be loaded"):
        load_backbone(str(tmp_path))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MachineError, match=r"pip install 'annvil\[hub\]'"):
        load_backbone(str(folders["vit"]))
