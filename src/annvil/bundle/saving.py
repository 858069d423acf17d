"""Making a bundle: from something that can write itself as a graph to files on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.bundle.manifest import GRAPH, MANIFEST, STEP, WEIGHTS, Info, describe, described, write_manifest
from annvil.bundle.storage import write_parts
from annvil.data.form import Form
from annvil.onnx.builder import Graph, Value
from annvil.onnx.validator import check_graph
from annvil.tasks.base import Task

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "torch")


class Writable(Protocol):
    """What can be exported: a fitted model, or anything else that turns raw inputs into outputs."""

    @property
    def write(self) -> Callable[..., Value]:
        """Of a graph and its raw inputs: adds outputs ``(n_rows, n_outputs)``; returns their name."""


class Steppable(Protocol):
    """How a model is written so that it can be called step by step (`annvil.models.stepping.Stepper`)."""

    @property
    def n_values(self) -> int:
        """Numbers of one step."""

    @property
    def n_state(self) -> int:
        """Numbers that a step hands to the next."""

    @property
    def write(self) -> Callable[[Graph, Value, Value], tuple[Value, Value]]:
        """Of a graph, values and a state: adds output and next state; returns their names."""


def export(fitted: Writable, form: Form, task: Task) -> bytes:
    """The model as an ONNX graph from raw values to predictions.

    The inputs are those of the form, whatever the model reads of them (`Form.graph_inputs`, `Form.enter`). The output
    is ``prediction``, float64 ``(rows, n_outputs)``: probabilities in the order of ``task.classes``, or values.
    """
    graph = Graph()
    outputs = graph.cast(fitted.write(graph, *form.enter(graph)), "float64")
    return graph.finish({"prediction": (outputs, "float64", ["rows", task.n_outputs])})


def export_step(stepper: Steppable | None, task: Task) -> bytes | None:
    """The model as a graph of one step; None where it has none (`annvil.models.members.Fitted.stepper`).

    The inputs are ``values`` float32 ``(rows, n_values)`` and ``state`` float32 ``(rows, n_state)``, the outputs
    ``prediction`` as of `export`, and ``next_state``.
    """
    if stepper is None:
        return None
    graph = Graph()
    sizes = {"values": stepper.n_values, "state": stepper.n_state}
    output, state = stepper.write(graph, *(graph.input(name, "float32", ["rows", n]) for name, n in sizes.items()))
    outputs = graph.cast(output, "float64")
    return graph.finish(
        {
            "prediction": (outputs, "float64", ["rows", task.n_outputs]),
            "next_state": (state, "float32", ["rows", stepper.n_state]),
        }
    )


def save(
    path: str | Path,
    graph: bytes,
    *,
    form: Form,
    task: Task,
    info: Mapping[str, Any] | Info | None = None,
    weights: Mapping[str, NDArray[Any]] | None = None,
    step: bytes | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a bundle and return its path: a folder, or one file when ``path`` ends in ``.zip``. Atomic.

    Parameters
    ----------
    graph : what `export` returned
    form, task : of the data the model was fitted on
    info : the fields of `Info`; unknown ones are refused. Scores that are not finite are kept as missing.
    weights : arrays by name, for going on training; not needed to predict
    step : what `export_step` returned
    beside : further parts by name, such as what explains the model; `annvil.bundle.storage.add_parts` adds them later

    Raises
    ------
    BundleError
        When the graph uses an operator that loading would refuse: a mistake of whoever wrote the graph.
    RequestError
        When something that is no bundle is in the way.
    MachineError
        When the files cannot be written; an older bundle at ``path`` is then intact.
    """
    path = Path(path)
    parts = contents(graph, weights or None, step) | dict(beside or {})
    told = info if isinstance(info, Info) else msgspec.convert(dict(info or {}), Info)
    told = msgspec.structs.replace(told, versions=told.versions or _versions())
    manifest = describe(form, task, told, described(parts))
    write_parts(path, {MANIFEST: write_manifest(manifest), **parts})
    return path


def contents(graph: bytes, weights: Mapping[str, NDArray[Any]] | None, step: bytes | None = None) -> dict[str, bytes]:
    """The parts of a bundle by name: graphs, which loading must not refuse, and the weights if there are any."""
    from safetensors.numpy import save as to_safetensors

    graphs = {GRAPH: graph} if step is None else {GRAPH: graph, STEP: step}
    for one in graphs.values():
        check_graph(one)
    if weights is None:
        return graphs
    arrays = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    return {**graphs, WEIGHTS: to_safetensors(arrays)}


def _versions() -> dict[str, str]:
    """Versions of the installed libraries that take part, read without importing them."""
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
