"""From a model's scores to outputs: shares of one whole for classes, a probability for each label, numbers as they are.

The same arithmetic in memory, on tensors and as a node of a graph, and the loss that a network learns with under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from annvil.tasks.targets import FloatArray

if TYPE_CHECKING:
    from torch import Tensor


SMALLEST = 1e-12
"""Probabilities below it count as this when their logarithm is explained."""


class Nodes(Protocol):
    """What is asked of a graph that is being written (`annvil.onnx.builder.Graph`): values go by their names."""

    def constant(self, values: ArrayLike, dtype: str | None = None) -> str: ...
    def op(self, kind: str, *inputs: str, **attributes: Any) -> str: ...


class Link(Protocol):
    """From scores to outputs along the last axis."""

    loss: str  # the training engine's name of the loss on scores
    summed_loss: str  # the same where it is the nats of a row, however many outputs a row has
    dtype: str  # of the answers that this loss takes

    def apply(self, scores: FloatArray) -> FloatArray:
        """Outputs of scores, float64 ``(n_rows, n_outputs)``."""

    def tensor(self, scores: Tensor) -> Tensor:
        """The same of a tensor."""

    def write(self, graph: Nodes, scores: str) -> str:
        """The same in a graph."""

    def contrasts(self, n_outputs: int) -> FloatArray:
        """What of scores is explained, float64 ``(n_outputs, n_explained)``: numbers as they are, the log-odds of each
        label, of the second of two classes, of each of several classes beside their mean."""

    def explained(self, outputs: FloatArray) -> FloatArray:
        """The same of outputs, float64 ``(n_rows, n_explained)``; probabilities no nearer to 0 than `SMALLEST`."""

    def unlinked(self, outputs: Tensor, smallest: float) -> Tensor:
        """Scores that have these outputs, for gradients: `explained` is their `contrasts`, with another least
        probability."""


@dataclass(frozen=True)
class Identity:
    """Numbers are what they are."""

    loss = summed_loss = "squared-error"
    dtype = "float32"

    def apply(self, scores: FloatArray) -> FloatArray:
        return scores

    def tensor(self, scores: Tensor) -> Tensor:
        return scores

    def write(self, graph: Nodes, scores: str) -> str:
        return scores

    def contrasts(self, n_outputs: int) -> FloatArray:
        return np.eye(n_outputs)

    def explained(self, outputs: FloatArray) -> FloatArray:
        return outputs

    def unlinked(self, outputs: Tensor, smallest: float) -> Tensor:
        return outputs


@dataclass(frozen=True)
class Softmax:
    """Shares that add up to 1."""

    loss = summed_loss = "cross-entropy"
    dtype = "int64"

    def apply(self, scores: FloatArray) -> FloatArray:
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def tensor(self, scores: Tensor) -> Tensor:
        return scores.softmax(-1)

    def write(self, graph: Nodes, scores: str) -> str:
        return graph.op("Softmax", scores, axis=-1)

    def contrasts(self, n_outputs: int) -> FloatArray:
        return np.array([[-1.0], [1.0]]) if n_outputs == 2 else np.eye(n_outputs) - 1 / n_outputs

    def explained(self, outputs: FloatArray) -> FloatArray:
        return np.asarray(np.log(np.clip(outputs, SMALLEST, 1.0)) @ self.contrasts(outputs.shape[1]))

    def unlinked(self, outputs: Tensor, smallest: float) -> Tensor:
        return outputs.clamp(min=smallest).log()


SOFTMAX = Softmax()


@dataclass(frozen=True)
class Sigmoid:
    """A probability for each output on its own."""

    loss = "binary-cross-entropy"
    summed_loss = "label-cross-entropy"
    dtype = "float32"

    def apply(self, scores: FloatArray) -> FloatArray:
        from scipy.special import expit

        return np.asarray(expit(scores))

    def tensor(self, scores: Tensor) -> Tensor:
        return scores.sigmoid()

    def write(self, graph: Nodes, scores: str) -> str:
        return graph.op("Sigmoid", scores)

    def contrasts(self, n_outputs: int) -> FloatArray:
        return np.eye(n_outputs)

    def explained(self, outputs: FloatArray) -> FloatArray:
        held = np.clip(outputs, SMALLEST, 1 - SMALLEST)
        return np.asarray(np.log(held) - np.log1p(-held))

    def unlinked(self, outputs: Tensor, smallest: float) -> Tensor:
        return outputs.clamp(min=smallest).log() - (1 - outputs).clamp(min=smallest).log()
