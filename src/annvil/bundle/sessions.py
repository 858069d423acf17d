"""Graphs of a saved model in onnxruntime, which sees them only once they were checked."""

from __future__ import annotations

from typing import Any

from annvil.errors import BundleError, first_line
from annvil.onnx.validation.graph_reader import ReadGraph
from annvil.onnx.validator import check_graph
from annvil.system import onnx_runtime


def session_of(graph: bytes, n_threads: int = 0) -> tuple[Any, ReadGraph]:
    """An onnxruntime session for a graph that passes `check_graph`, and what that read.

    0 threads: as many as there are cores.
    """
    checked = check_graph(graph)
    try:
        # Folding constants would execute parts of the graph while it is only being loaded; it gains nothing (measured),
        # since what is constant in our graphs was computed before they were written.
        return onnx_runtime.session(graph, n_threads, disabled=["ConstantFolding"]), checked
    except (ImportError, MemoryError):  # the machine's fault, not the model's
        raise
    except Exception as error:  # as in `_run`
        raise BundleError(
            f"The saved model is refused: onnxruntime cannot read its graph: {first_line(error)[:200]}."
        ) from None


def onnx_type(dtype: str) -> str:
    """What onnxruntime calls a tensor of an element type of NumPy."""
    return f"tensor({ {'float64': 'double', 'float32': 'float'}.get(dtype, dtype) })"
