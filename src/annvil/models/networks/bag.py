"""Networks that share a preparation, averaged: the member that network contenders ship."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from annvil.models.members import BaseMember
from annvil.models.networks.family import Preparation
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TargetScaling
from annvil.tasks.base import FloatArray
from annvil.tasks.link import SOFTMAX, Link

if TYPE_CHECKING:
    import torch
    from torch import nn

ROWS_AT_ONCE = 4096
"""Rows of one forward pass (assumed): embedded numbers of so many rows are some tens of MB."""


@dataclass(frozen=True)
class NetworkBag(BaseMember):
    """Networks on the same prepared inputs; their outputs are averaged with ``weights``.

    One member rather than one per network, so that a raw row is prepared once.

    Attributes
    ----------
    networks : in evaluation mode, on the CPU
    weights : of the networks, adding up to 1
    target : brings regression outputs back to target units; None for classes
    link : from scores of classes or labels to probabilities
    heads : sub-networks of each network (a shared ensemble's), whose outputs are averaged
    free : axes of the networks' inputs that have any length, see `annvil.onnx.export.export_module`
    """

    free: ClassVar[Mapping[int, int]] = MappingProxyType({})

    preparation: Preparation
    networks: tuple[nn.Module, ...]
    weights: tuple[float, ...]
    target: TargetScaling | None
    link: Link = SOFTMAX
    heads: int = 1

    def predict(self, inputs: Any) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)`` or values ``(n_rows, 1)``."""
        dtype = next(self.networks[0].parameters()).dtype
        tensors = [t.to(dtype) if t.is_floating_point() else t for t in self.preparation.transform(inputs)]
        outputs = [
            weight * network_outputs(network, tensors, self.target, self.link)
            for network, weight in zip(self.networks, self.weights, strict=True)
        ]
        return np.asarray(np.sum(outputs, axis=0))

    def double(self) -> NetworkBag:
        """The same networks computing in float64: slower, but a row's prediction does not hang on its neighbours."""
        return replace(self, networks=tuple(copy.deepcopy(network).double() for network in self.networks))

    def shuffled(self, seed: int) -> NetworkBag:
        """The same networks without what they learnt."""
        from annvil.networks.shuffling import without_knowledge

        networks = (without_knowledge(one, seed * 1000 + place) for place, one in enumerate(self.networks))
        return replace(self, networks=tuple(networks))

    def write(self, graph: Graph, *raw: Value) -> Value:
        """The same as nodes: the preparation once, then every network."""
        from annvil.onnx.export import export_module

        prepared = self.preparation.write(graph, *raw)
        parts = []
        for network, weight in zip(self.networks, self.weights, strict=True):
            examples = network.examples()  # type: ignore[operator]
            (output,) = export_module(graph, network, *prepared, examples=examples, free=self.free)
            output = graph.cast(self.said(graph, output), "float64")
            parts.append(output if weight == 1 else graph.op("Mul", output, graph.constant(weight)))
        return parts[0] if len(parts) == 1 else graph.op("Sum", *parts)

    def said(self, graph: Graph, output: Value) -> Value:
        """What a network's scores come to."""
        if self.target is None:
            output = self.link.write(graph, output)
        if self.heads > 1:  # (rows, heads, outputs)
            output = graph.op("ReduceMean", output, graph.constant([1], "int64"), keepdims=0)
        return output if self.target is None else self.target.write(graph, output)

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to columns, in sentences."""
        return self.preparation.describe()

    @property
    def n_parameters(self) -> int:
        """Trained weights of all networks."""
        return sum(parameter.numel() for network in self.networks for parameter in network.parameters())


def network_outputs(
    network: nn.Module,
    inputs: Sequence[torch.Tensor],
    target: TargetScaling | None,
    link: Link = SOFTMAX,
    rows: torch.Tensor | None = None,
) -> FloatArray:
    """What one network says of prepared rows: probabilities ``(n_rows, n_classes)``, or values ``(n_rows, 1)``.

    ``rows`` chooses among the rows of ``inputs``, by default all.
    """
    import torch

    which = torch.arange(len(inputs[0])) if rows is None else rows
    with torch.inference_mode():
        raw = torch.cat([network(*(t[part] for t in inputs)).double() for part in torch.split(which, ROWS_AT_ONCE)])
        raw = raw if target is not None else link.tensor(raw)
        outputs: Any = (raw.mean(dim=1) if raw.dim() == 3 else raw).numpy()
    return np.asarray(outputs if target is None else target.inverse(outputs))
