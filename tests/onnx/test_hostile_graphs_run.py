"""Strangers' graphs that pass for ours in their operators: refused in a sentence, or harmless; no crash, no flood.

They run in a process of their own, so that one that kills it is a failed test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from tests.onnx import sample_graphs
from tests.onnx.sample_graphs import forest

from annvil.onnx.builder import Graph

CHILD = Path(__file__).with_name("hostile_child.py")
MUTATIONS = 400


def outcomes(folder: Path, graphs: Mapping[str, bytes]) -> dict[str, str]:
    """What became of each in the child; fails where the child died."""
    for name, content in graphs.items():
        (folder / name).write_bytes(content)
    paths = os.pathsep.join(sys.path)
    command = [sys.executable, str(CHILD), *(str(folder / name) for name in graphs)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    found = {Path(path).name: said for path, said in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, (
        f"{list(graphs)[len(found)]} killed the process ({done.returncode}): {done.stderr[-500:]}"
    )
    assert not done.stderr
    return found


# Crafted ---------------


def _divided(kind: str, element: str, divisor: Any = None) -> bytes:
    graph = Graph()
    x = graph.cast(graph.input("x0", "float32", ["rows", 3]), element)
    by = graph.op("Sub", x, x) if divisor is None else graph.constant(np.array(divisor, element))
    low = graph.constant(np.iinfo(element).min, element)
    return graph.finish({"y0": (graph.op(kind, graph.op("Add", x, low), by), element, ["rows", 3])})


def _products(count: int, size: int) -> bytes:
    graph = Graph()
    value = graph.input("x0", "float32", ["rows", 3])
    one = graph.op("Expand", graph.constant(np.ones((1, 1), np.float32)), graph.constant([size, size]))
    for _ in range(count):
        one = graph.op("MatMul", one, graph.op("Transpose", one))
    found = graph.op("Add", value, graph.op("ReduceMax", one, keepdims=0))
    return graph.finish({"y0": (found, "float32", ["rows", 3])})


def _made(kind: str, *more: Any, **attributes: Any) -> bytes:
    graph = Graph()
    x = graph.input("x0", "float32", ["rows", 2, 8, 8])
    value = graph.op(kind, x, *(one if isinstance(one, str) else graph.constant(one) for one in more), **attributes)
    value = graph.op("ReduceMax", value, keepdims=0)
    return graph.finish({"y0": (value, "float32", [])})


def _grown(times: int) -> bytes:
    """Doubled again and again, each step small."""
    graph = Graph()
    value = graph.input("x0", "float32", ["rows", 3])
    for _ in range(times):
        value = graph.op("Concat", value, value, axis=1)
    return graph.finish({"y0": (graph.op("ReduceMax", value, keepdims=0), "float32", [])})


def _trees(change: Callable[[dict[str, list[Any]]], Any], lengths: tuple[int, ...] = (5, 3, 1)) -> bytes:
    model = onnx.load_from_string(forest(lengths))
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")
    values = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    change(values)
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(name, value) for name, value in values.items())
    return bytes(model.SerializeToString())


def _set(name: str, place: int, value: Any) -> Callable[[dict[str, list[Any]]], Any]:
    def change(values: dict[str, list[Any]]) -> None:
        values[name][place] = value

    return change


def _renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    assert old in content
    return content.replace(old, new)


INTEGERS = ("int8", "int32", "int64")
CRAFTED: dict[str, Callable[[], bytes]] = {
    **{
        f"{kind} of {e} by {d}": lambda k=kind, e=e, d=d: _divided(k, e, d)
        for kind in ("Div", "Mod") for e in INTEGERS for d in (0, -1, [2, -1, 3], None)
    },
    "a tree 20 000 deep": lambda: forest((40_001,)),
    "a tree that leads back to its root": lambda: _trees(_set("nodes_truenodeids", 2, 0)),
    "a node that leads to itself": lambda: _trees(_set("nodes_truenodeids", 2, 2)),
    "two ways to one node": lambda: _trees(_set("nodes_truenodeids", 0, 2)),
    "a way to nowhere": lambda: _trees(_set("nodes_truenodeids", 0, 77)),
    "a feature that is not there": lambda: _trees(_set("nodes_featureids", 0, 1 << 20)),
    "a feature below 0": lambda: _trees(_set("nodes_featureids", 0, -(1 << 20))),
    "an output that is not there": lambda: _trees(_set("target_ids", 0, 1 << 20)),
    "a leaf that is not there": lambda: _trees(_set("target_nodeids", 0, 70)),
    "fewer thresholds than nodes": lambda: _trees(lambda values: values["nodes_values"].pop()),
    "2^40 outputs": lambda: _trees(lambda values: values.update(n_targets=1 << 40)),
    "twenty products of 6000 by 6000": lambda: _products(20, 6000),
    "Expand to 4.7 GB": lambda: _made("Expand", np.array([9_200_000, 2, 8, 8])),
    "doubled 28 times": lambda: _grown(28),
    "doubled 80 times": lambda: _grown(80),
    "a kernel of 0": lambda: _made("MaxPool", kernel_shape=[0, 2]),
    "strides of 0": lambda: _made("MaxPool", kernel_shape=[2, 2], strides=[0, 1]),
    "a dilation below 0": lambda: _made("Conv", np.ones((1, 2, 2, 2), np.float32), dilations=[-3, 1]),
    "groups of 0": lambda: _made("Conv", np.ones((1, 2, 2, 2), np.float32), group=0),
    "a margin below 0": lambda: _made("Conv", np.ones((1, 2, 2, 2), np.float32), pads=[-9, 0, 0, 0]),
    "a map back of 2^30": lambda: _made("ConvTranspose", np.ones((2, 1, 2, 2), np.float32), strides=[1 << 30, 1]),
    "1e9 times as high": lambda: _made("Resize", "", np.array([1, 1, 1e9, 1], np.float32)),
    "a mean of no whole numbers": lambda: _empty_mean(),
    "a name that is no text": lambda: _renamed(sample_graphs.table(), b"floor_", b"flo\xff\xfe_"),
    "an input whose name is no text": lambda: _renamed(sample_graphs.table(), b"x0", b"\xff\xfe"),
    "an output whose name is no text": lambda: _renamed(sample_graphs.table(), b"y0", b"\xff\xfe"),
}  # fmt: skip


def _empty_mean() -> bytes:
    graph = Graph()
    x = graph.cast(graph.input("x0", "float32", ["rows", 3]), "int64")
    none = graph.op("Slice", x, *map(graph.constant, ([3], [3], [1])))
    return graph.finish({"y0": (graph.op("ReduceMean", none, graph.constant([1])), "int64", ["rows", 1])})


def test_what_would_kill_or_flood_the_process_is_refused(tmp_path):
    found = outcomes(tmp_path, {name: make() for name, make in CRAFTED.items()})
    assert {name: said for name, said in found.items() if not said.startswith("refused: ")} == {}
    assert all("\n" not in said and len(said) < 400 for said in found.values())


def test_division_by_what_is_known_and_sound_is_accepted(tmp_path):
    graphs = {f"{kind} {e}": _divided(kind, e, 3) for kind in ("Div", "Mod") for e in INTEGERS}
    assert set(outcomes(tmp_path, graphs).values()) == {"ran"}


# Mutated --------------------------------------------------------------------------------------------------------------

EXTREMES = (0, -1, 1, 2, 3, 7, 255, 1 << 16, 1 << 31, -(1 << 31), (1 << 63) - 1, -(1 << 63))


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Still a model, with one thing another: a wire, an operator, an attribute, a constant, or a type."""
    model = onnx.load_from_string(content)
    graph = model.graph
    place = rng.integers(len(graph.node))
    node, before = graph.node[place], graph.node[:place]
    names = [
        *(one.name for one in (*graph.initializer, *graph.input)),
        *(name for one in before for name in one.output),
    ]
    match rng.integers(7):
        case 0 if node.input:
            node.input[rng.integers(len(node.input))] = names[rng.integers(len(names))]
        case 1:
            node.op_type = graph.node[rng.integers(len(graph.node))].op_type
        case 2 | 3 if node.attribute:
            _change_attribute(node.attribute[rng.integers(len(node.attribute))], rng)
        case 4 | 5 if graph.initializer:
            _change_constant(graph.initializer[rng.integers(len(graph.initializer))], rng)
        case _:
            kinds = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT8, TensorProto.BOOL)
            graph.input[rng.integers(len(graph.input))].type.tensor_type.elem_type = kinds[rng.integers(len(kinds))]
    return bytes(model.SerializeToString())


def _change_attribute(attribute: AttributeProto, rng: np.random.Generator) -> None:
    extreme = int(rng.choice(EXTREMES))
    if attribute.ints:
        attribute.ints[rng.integers(len(attribute.ints))] = extreme
    elif attribute.type == AttributeProto.INT:
        attribute.i = extreme
    elif attribute.floats:
        attribute.floats[rng.integers(len(attribute.floats))] = float(rng.choice([np.nan, np.inf, -1e38, 0]))
    elif attribute.strings:
        attribute.strings[rng.integers(len(attribute.strings))] = bytes(rng.bytes(4))
    else:
        attribute.s = bytes(rng.bytes(3))


def _change_constant(constant: TensorProto, rng: np.random.Generator) -> None:
    values = numpy_helper.to_array(constant).copy()
    if values.dtype.kind == "i" and values.size:
        values.ravel()[rng.integers(values.size)] = rng.choice(EXTREMES).astype(values.dtype)
    elif values.dtype.kind == "f":
        values = values.reshape(-1) if rng.random() < 0.3 else values * rng.choice([0, np.nan, np.inf, 1e38])
    constant.CopyFrom(numpy_helper.from_array(values.astype(values.dtype), constant.name))


@pytest.mark.parametrize("seed", [0])
def test_mutated_graphs_are_refused_or_harmless(tmp_path, seed):
    rng = np.random.default_rng(seed)
    samples = sample_graphs.graphs()
    kept = outcomes(tmp_path, samples)
    assert set(kept.values()) == {"ran"}, kept
    with np.errstate(all="ignore"):
        graphs = {f"{name} {turn}": mutated(samples[name], rng) for turn in range(MUTATIONS // 5) for name in samples}
    found = outcomes(tmp_path, graphs)
    counts = {what: sum(said.startswith(what) for said in found.values()) for what in ("refused", "failed", "ran")}
    assert sum(counts.values()) == MUTATIONS
    assert counts["refused"] > MUTATIONS // 4
    assert counts["ran"] > MUTATIONS // 10
    assert all("\n" not in said and len(said) < 400 for said in found.values())
