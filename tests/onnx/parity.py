"""A module in PyTorch and its graph in onnxruntime, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module
from annvil.onnx.validation.inference import cost
from annvil.onnx.validation.tensor_reader import ELEMENTS
from annvil.onnx.validator import check_graph

ROWS = 10_000
CLOSE = 1e-5  # of the largest value


class Calls(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any, **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs, **dict(self.named_children()))


def graph_of(module: nn.Module, *examples: Tensor) -> bytes:
    """Exported from the first row of the examples alone."""
    graph = Graph()
    inputs = [
        graph.input(f"x{place}", str(one.dtype).removeprefix("torch."), ["rows", *one.shape[1:]])
        for place, one in enumerate(examples)
    ]
    values = export_module(graph, module, *inputs, examples=tuple(one[:1] for one in examples))
    with torch.inference_mode():
        results = flat(module(*(one[:2] for one in examples)))
    assert len(values) == len(results)
    outputs = {}
    for place, (value, result) in enumerate(zip(values, results, strict=True)):
        dtype = str(result.dtype).removeprefix("torch.")
        outputs[f"y{place}"] = (value, dtype, [f"size {place} {axis}" for axis in range(result.dim())])
    return graph.finish(outputs)


def flat(returned: Any) -> list[Tensor]:
    if isinstance(returned, Tensor):
        return [returned]
    return [tensor for part in returned for tensor in flat(part)]


def check(module: nn.Module, *rows: Tensor, close: float = CLOSE, batches: Sequence[int] = (1, 2)) -> bytes:
    """The graph gives what the module gives, on the rows given and on few of them; returns it.

    What it makes is what is worked out beforehand, and loading would not refuse it.
    """
    module.eval()
    content = graph_of(module, *rows)
    checked = check_graph(content)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for count in (*batches, len(rows[0])):
        some = [one[:count] for one in rows]
        with torch.inference_mode():
            expected = [tensor.numpy() for tensor in flat(module(*some))]
        found = session.run(None, {f"x{place}": one.numpy() for place, one in enumerate(some)})
        said = cost(checked, count, most_bytes=1 << 50, most_work=1 << 62).values
        for place, one in enumerate(found):
            assert (np.dtype(ELEMENTS[said[f"y{place}"].element]), said[f"y{place}"].shape) == (one.dtype, one.shape)
        for one, other in zip(found, expected, strict=True):
            assert one.shape == other.shape
            assert one.dtype == other.dtype
            assert difference(one, other) <= close
    return content


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference, in units of the largest value; infinite where what is not finite differs."""
    if one.dtype == bool:
        return float((one != other).any())
    finite = np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return np.inf
    one, other = one[finite].astype(np.float64), other[finite].astype(np.float64)
    if not one.size:
        return 0.0
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-6))
