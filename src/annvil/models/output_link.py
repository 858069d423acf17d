"""From a model's scores to outputs: shares of one whole for classes, a probability for each of several labels.

The same arithmetic in memory and as a node of a graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from annvil.onnx.builder import Graph, Value
from annvil.tasks.task import FloatArray, Task

if TYPE_CHECKING:
    from torch import Tensor

Link = Literal["softmax", "sigmoid", "identity"]


def link_of(task: Task) -> Link:
    """Softmax for classes, the sigmoid for several labels at once, nothing for a number."""
    if not task.is_classification:
        return "identity"
    return "sigmoid" if task.several else "softmax"


def linked(link: Link, scores: FloatArray) -> FloatArray:
    """Outputs of scores float64 ``(n_rows, n_outputs)``."""
    if link == "identity":
        return scores
    if link == "sigmoid":
        from scipy.special import expit

        return np.asarray(expit(scores))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def linked_tensor(link: Link, scores: Tensor) -> Tensor:
    """The same along the last axis of a tensor."""
    if link == "identity":
        return scores
    return scores.sigmoid() if link == "sigmoid" else scores.softmax(-1)


def write_link(graph: Graph, link: Link, scores: Value) -> Value:
    """The same in a graph, along the last axis."""
    if link == "identity":
        return scores
    return graph.op("Sigmoid", scores) if link == "sigmoid" else graph.op("Softmax", scores, axis=-1)
