"""Trained networks for series as a member of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.series import Series, Values
from annvil.models.networks.bag import NetworkBag
from annvil.models.stepping import Stepper, averaged
from annvil.networks.series_input import Scaling
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

    from annvil.networks.recurrent import RecurrentStep

VALUES_AT_ONCE = 1 << 18
"""Values of series in one pass (assumed: activations are some hundred times as many)."""

STEPS_COMPARED = 200
"""Of a series, when what is said step by step is compared with what is said of it as a whole (assumed)."""


@dataclass(frozen=True)
class SeriesTensors:
    """Series as networks take them; what is done to values is done inside the network."""

    scaling: Scaling = "channel"

    def transform(self, inputs: Series) -> tuple[Tensor, Tensor]:
        """Values float32 ``(n, channels, time)``, zeros behind the ends, and lengths int64 ``(n,)``."""
        import torch

        values, lengths = inputs.padded()
        return torch.from_numpy(values), torch.from_numpy(lengths)

    def write(self, graph: Graph, *raw: Value) -> tuple[Value, ...]:
        """As they come."""
        return raw

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences for people."""
        scaled = (
            "The mean of each channel becomes 0, its standard deviation 1, as measured on training series; a channel "
            "without values is at its mean."
        )
        own = "Then each channel of each series is brought to mean 0 and standard deviation 1 by its own values."
        return (scaled, own) if self.scaling == "series" else (scaled,)


@dataclass(frozen=True)
class SeriesBag(NetworkBag):
    """Networks on the same series, averaged."""

    free: ClassVar[Mapping[int, int]] = {0: 2}

    def predict(self, inputs: Series) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)`` or values ``(n_rows, 1)``."""
        for network in self.networks:
            network.eval()
        parts = [super(SeriesBag, self).predict(block) for _, block in inputs.blocks(VALUES_AT_ONCE)]
        n_outputs: Any = self.networks[0].head.out_features  # type: ignore[union-attr]
        return np.concatenate(parts) if parts else np.empty((0, n_outputs))

    @staticmethod
    def rows_of(n_values: int) -> int:
        """Series of so many values that go through a network at once."""
        return max(1, VALUES_AT_ONCE // n_values)


@dataclass(frozen=True)
class RecurrentBag(SeriesBag):
    """Feedback networks, which may be called step by step."""

    def stepper(self) -> Stepper | None:
        """The networks' steps, where they read in one direction on the scale of the training series."""
        from annvil.networks.recurrent import RecurrentStep

        networks: tuple[Any, ...] = self.networks
        if not all(RecurrentStep.can(network.architecture) for network in networks):
            return None
        return averaged([_stepper(RecurrentStep(network), self) for network in networks], self.weights)


def _stepper(step: RecurrentStep, bag: SeriesBag) -> Stepper:
    import torch

    from annvil.onnx.export import export_module

    n_values = step.network.architecture.n_channels

    def write(graph: Graph, values: Value, state: Value) -> tuple[Value, Value]:
        examples = torch.zeros(1, n_values), torch.zeros(1, step.n_state)
        scores, after = export_module(graph, step, values, state, examples=examples)
        return bag.said(graph, scores), after

    return Stepper(n_values, step.n_state, write, _beginnings)


def _beginnings(series: Series) -> tuple[Series, Values]:
    """As many first steps of each as the shortest has, `STEPS_COMPARED` at most."""
    n_steps = min(STEPS_COMPARED, int(series.lengths.min()))
    parts = [series.one(row)[:, :n_steps] for row in range(series.n_rows)]
    return series_from_arrays(parts, series.form), np.stack(parts).transpose(0, 2, 1)
