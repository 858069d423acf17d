"""A pretrained network of Hugging Face's transformers as a body: resizing, its normalisation, its features.

Needs the extra ``hub``. Its graph is made by PyTorch's exporter and copied node by node into ours, so that a bundle
holds nothing but operators that it may hold.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from annvil.errors import MachineError
from annvil.networks.transfer import Body, scaling
from annvil.onnx.builder import OPSET, Graph, Value

SMALLEST_SIDE = 64
"""Convolutional backbones see pictures in their own size, but for the shorter side never below this (assumed: they
halve them five times)."""

STAGES = 6
"""Steps from full to least learning rate, however many layers there are (assumed)."""

WRITTEN = frozenset({"Gelu", "LayerNormalization"})
"""Operators that PyTorch's exporter writes for ResNet, MobileNetV2, ConvNeXt, ViT and DINOv2 beside those that
Annvil writes anyway. A backbone that needs others competes, but cannot be shipped, and the run says so."""

_NUMBERED = re.compile(r"(?:^|\.)(?:layers?|stages?|blocks?|h)\.(\d+)\.")


class BackboneBody(Body):
    """The features of a backbone.

    Of maps it is what the backbone pools them to; of tokens their mean, behind the class token where there is one.

    Parameters
    ----------
    values : ``config`` (of transformers), ``side`` in pixels, ``fixed`` (whether it takes no other), ``mean`` and
        ``deviation`` of its three channels in [0, 1]
    height, width, channels : of the pictures to come; grey is shown as three equal channels
    """

    rows: Tensor
    columns: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, values: Mapping[str, Any], height: int, width: int, channels: int) -> None:
        super().__init__()
        self.size = seen_size(values, height, width)
        self.repeats = 3 // channels
        self.resizes = self.size != (height, width)
        if self.resizes:
            self.register_buffer("rows", torch.from_numpy(scaling(height, self.size[0])))
            self.register_buffer("columns", torch.from_numpy(np.ascontiguousarray(scaling(width, self.size[1]).T)))
        for name in ("mean", "deviation"):
            self.register_buffer(name, 255 * torch.tensor(values[name], dtype=torch.float32).view(3, 1, 1))
        self.model = model_of(values["config"])
        self.has_class_token = any(name.endswith("cls_token") for name, _ in self.model.named_parameters())
        self.n_features = int(values["n_features"])

    def features(self, pixels: Tensor) -> Tensor:
        """See the class."""
        x = pixels.float().permute(0, 3, 1, 2)
        if self.resizes:
            x = self.rows @ x @ self.columns
        return self.seen((x.expand(-1, 3, -1, -1) if self.repeats == 3 else x).sub(self.mean) / self.deviation)

    def seen(self, x: Tensor) -> Tensor:
        """Features of normalised pictures ``(n, 3, height, width)``."""
        found = self.model(pixel_values=x)
        states: Tensor = found.last_hidden_state
        if states.dim() == 4:
            pooled = getattr(found, "pooler_output", None)
            return (states.mean((2, 3)) if pooled is None else pooled).flatten(1)
        mean = states.mean(1)
        return torch.cat([states[:, 0], mean], 1) if self.has_class_token else mean

    def write_features(self, graph: Graph, pixels: Value) -> Value:
        """The same in a graph."""
        x = graph.op("Transpose", graph.cast(pixels, "float32"), perm=[0, 3, 1, 2])
        if self.resizes:
            x = graph.op("MatMul", graph.constant(self.rows.numpy()), x)
            x = graph.op("MatMul", x, graph.constant(self.columns.numpy()))
        if self.repeats == 3:
            x = graph.op("Concat", x, x, x, axis=1)
        x = graph.op("Sub", x, graph.constant(self.mean.numpy()))
        x = graph.op("Div", x, graph.constant(self.deviation.numpy()))
        return copied(graph, exported(self, (3, *self.size)), x)

    def depths(self) -> dict[str, int]:
        """By the numbers of layers or stages in the names; what has none lies below the first, or above the last."""
        names = [name for name, value in self.named_parameters() if value.requires_grad]
        numbers = {name: int(found[1]) for name in names if (found := _NUMBERED.search(name))}
        last = max(numbers.values(), default=0)
        first_numbered = next((place for place, name in enumerate(names) if name in numbers), len(names))
        rank = {n: numbers.get(n, -1 if place < first_numbered else last) for place, n in enumerate(names)}
        return {n: 1 + round((STAGES - 1) * (last - number) / (last + 1)) for n, number in rank.items()}


def model_of(config: Mapping[str, Any]) -> nn.Module:
    """The network of that configuration, with weights by chance.

    Raises
    ------
    MachineError
        Without transformers.
    """
    transformers = transformers_or_say()
    rest = {name: value for name, value in config.items() if name != "model_type"}
    own = transformers.AutoConfig.for_model(config["model_type"], **rest)
    model: nn.Module = transformers.AutoModel.from_config(own)
    return model.eval()


def transformers_or_say() -> Any:
    """The library, or a sentence that says how to get it."""
    try:
        import transformers
    except ImportError:
        raise MachineError(
            "A backbone needs Hugging Face's transformers. Install them: pip install 'annvil[hub]'."
        ) from None
    return transformers


def seen_size(values: Mapping[str, Any], height: int, width: int) -> tuple[int, int]:
    """Height and width in which a backbone sees pictures of this size.

    Its own side where it takes no other; else the pictures' size within `SMALLEST_SIDE` and its own, aspect kept.
    """
    side = int(values["side"])
    if values["fixed"]:
        return side, side
    factor = float(np.clip(1.0, SMALLEST_SIDE / min(height, width), max(side, SMALLEST_SIDE) / min(height, width)))
    return round(height * factor), round(width * factor)


class _Seen(nn.Module):
    def __init__(self, body: BackboneBody) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body.seen(x)


def exported(body: BackboneBody, shape: Sequence[int]) -> Any:
    """The part from normalised pictures to features as an ONNX model, by PyTorch's exporter.

    Raises
    ------
    MachineError
        When the exporter cannot write this backbone, or is not installed.
    """
    heard = io.StringIO()
    rows = torch.export.Dim("rows", min=1, max=1 << 20)
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)  # it warns of other libraries that it could have used
    try:
        with warnings.catch_warnings(), redirect_stdout(heard), redirect_stderr(heard), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                _Seen(body).eval(),
                (torch.zeros(2, *shape),),
                input_names=["pictures"],
                output_names=["features"],
                dynamic_shapes={"x": {0: rows}},
                opset_version=OPSET,
                dynamo=True,
                optimize=True,
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever its many parts raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise MachineError(
            f"This backbone cannot be written as a graph: {reason}. Install onnxscript, or take another backbone."
        ) from error
    finally:
        logger.setLevel(before)
    assert program is not None
    return program.model_proto


def copied(graph: Graph, model: Any, pictures: Value) -> Value:
    """The nodes of an ONNX model put into ``graph``, its one input being ``pictures``; returns its one output.

    Zeros around a map go into the convolution that follows: a node that makes values from sizes alone has no place in a
    bundle.
    """
    from onnx import helper, numpy_helper

    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    known: dict[str, Value] = {"": "", model.graph.input[0].name: pictures}
    padded: dict[str, list[int]] = {}
    for node in model.graph.node:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Constant":
            values[node.output[0]] = numpy_helper.to_array(attributes["value"])
            continue
        if node.op_type == "Pad" and _is_convolved(model, node, values):
            known[node.output[0]] = known[node.input[0]]
            padded[node.output[0]] = values[node.input[1]].tolist()
            continue
        if node.op_type == "Conv" and node.input[0] in padded:
            around = padded[node.input[0]]
            attributes["pads"] = [a + b for a, b in zip(attributes["pads"], around[2:4] + around[6:8], strict=True)]
        inputs = [known[name] if name in known else graph.constant(values[name]) for name in node.input]
        made = graph.ops(node.op_type, *inputs, n_outputs=len(node.output), domain=node.domain, **attributes)
        known.update(zip(node.output, made, strict=True))
    return known[model.graph.output[0].name]


def _is_convolved(model: Any, pad: Any, values: Mapping[str, Any]) -> bool:
    """Whether a node puts zeros around height and width for convolutions, and for nobody else."""
    around = values.get(pad.input[1])
    if around is None or len(around) != 8 or any(around[[0, 1, 4, 5]]) or any(around < 0):
        return False
    if len(pad.input) > 2 and pad.input[2] and np.any(values.get(pad.input[2], 1)):
        return False
    followers = [node for node in model.graph.node if pad.output[0] in node.input]
    convolve = all(node.op_type == "Conv" and any(one.name == "pads" for one in node.attribute) for node in followers)
    plain = not any(one.name == "mode" and one.s != b"constant" for one in pad.attribute)
    return bool(followers) and convolve and plain
