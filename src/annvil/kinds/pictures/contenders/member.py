"""A trained network for pictures as a member of a model: it predicts in memory and writes itself as a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annvil.kinds.pictures.images import Images
from annvil.models.members import BaseMember, Origin
from annvil.models.networks.family import Preparation
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TargetScaling
from annvil.tasks.base import FloatArray, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

VALUES_AT_ONCE = 1 << 21
"""Values of pictures in one pass of `predict` (assumed: activations are ten to forty times as many)."""


@dataclass(frozen=True)
class PixelSteps:
    """Sentences on what a network does to pixels before its first layer."""

    sentences: tuple[str, ...]

    def transform(self, inputs: Images) -> tuple[Tensor]:
        """Pixels as they are, uint8 ``(n, height, width, channels)``."""
        import torch

        return (torch.from_numpy(inputs.pixels()),)

    def write(self, graph: Graph, *raw: Value) -> tuple[Value, ...]:
        return raw

    def describe(self) -> tuple[str, ...]:
        return self.sentences


@dataclass(frozen=True)
class PictureMember(BaseMember):
    """``network`` takes uint8 ``(n, height, width, channels)`` and gives logits or values; it can write itself.

    With ``mirrored``, its outputs are the mean of those for the picture and for its mirror image: of use to networks
    that learnt from both (airbench, Jordan 2024, section 3.5, without its shifts).
    """

    network: nn.Module
    task: Task
    preparation: Preparation
    target: TargetScaling | None = None
    mirrored: bool = False

    def predict(self, inputs: Images) -> FloatArray:
        import torch

        self.network.eval()
        outputs = []
        at_once = max(1, VALUES_AT_ONCE // inputs.form.n_values)
        with torch.inference_mode():
            for start in range(0, inputs.n_rows, at_once):
                (pixels,) = self.preparation.transform(inputs.take(slice(start, start + at_once)))
                outputs.append(self._outputs(pixels).double().numpy())
        found_all = np.concatenate(outputs) if outputs else np.empty((0, self.task.n_outputs))
        return found_all if self.target is None else self.target.inverse(found_all[:, 0])[:, None]

    def _outputs(self, pixels: Tensor) -> Tensor:
        outputs: Tensor = self.network(pixels)
        if self.mirrored:
            outputs = (outputs + self.network(pixels.flip(2))) / 2
        return self.task.link.tensor(outputs)

    def write(self, graph: Graph, *raw: Value) -> Value:
        from annvil.onnx.export import export_module

        (pixels,) = self.preparation.write(graph, *raw)
        if self.mirrored:
            width: int = self.network.architecture.width  # type: ignore[assignment, union-attr]
            backwards = list(reversed(range(width)))
            mirror = graph.op("Gather", pixels, graph.constant(backwards, "int64"), axis=2)
            pixels = graph.op("Concat", pixels, mirror, axis=0)  # one pass over both: every weight is in one node
        examples = self.network.examples()  # type: ignore[operator]
        (output,) = export_module(graph, self.network, pixels, examples=examples)
        if self.mirrored:
            twice = graph.op("Reshape", output, graph.constant([2, -1, self.task.n_outputs], "int64"))
            output = graph.op("ReduceMean", twice, graph.constant([0], "int64"), keepdims=0)
        output = self.task.link.write(graph, output)
        return output if self.target is None else self.target.write(graph, output)

    def describe_preparation(self) -> tuple[str, ...]:
        return self.preparation.describe()

    def origin(self) -> Origin:
        """Architecture and weights, for whoever goes on training."""
        weights = {name: value.detach().numpy() for name, value in self.network.state_dict().items()}
        return Origin(self.network.architecture.to_json(), weights)  # type: ignore[operator, union-attr]

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)
