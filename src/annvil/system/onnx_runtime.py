"""The one place that loads onnxruntime: without its telemetry, and quiet.

From version 1.32 on its import writes a database of events with an identifier of the device into the user's cache and,
left on, looks up its maker's collector. ``ORT_DISABLE_TELEMETRY=1`` before the import stops both (its Privacy.md, and
measured); `annvil` sets it when it is imported. ``disable_telemetry_events()`` comes too late for the database. A value
that is set already stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

SILENT = 4
"""Severity from which onnxruntime logs: fatal errors only. What goes wrong is raised; nothing is printed beside it."""


def load(part: str = "") -> Any:
    """The library, or a part of it such as "quantization"."""
    return import_module(f"onnxruntime.{part}" if part else "onnxruntime")


def session(graph: bytes, n_threads: int = 0, disabled: Sequence[str] = ()) -> Any:
    """An `onnxruntime.InferenceSession` on the processor.

    Parameters
    ----------
    n_threads : inside an operator; 0 for as many as there are cores
    disabled : names of its optimisers that are left out
    """
    library = load()
    options = library.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = n_threads
    options.log_severity_level = SILENT
    providers = ["CPUExecutionProvider"]
    return library.InferenceSession(graph, options, providers=providers, disabled_optimizers=list(disabled))
