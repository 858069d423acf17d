"""Graphs of every kind that Annvil writes, small: what mutations begin from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tests.onnx.parity import Calls, graph_of
from torch import nn

from annvil.models.trees_onnx import Forest, write_forest
from annvil.onnx.builder import ML, Graph


def chains(lengths: Sequence[int], rng: np.random.Generator) -> Forest:
    """Trees of one, three, five … nodes: chains with a leaf to the left of each inner node."""
    tree = np.repeat(np.arange(len(lengths)), lengths)
    node = np.concatenate([np.arange(length) for length in lengths])
    last = np.repeat(lengths, lengths) - 1
    is_leaf = (node % 2 == 1) | (node == last)
    n_nodes = len(node)
    return Forest(
        tree=tree,
        node=node,
        output=np.zeros(n_nodes, np.int64),
        is_leaf=is_leaf,
        feature=rng.integers(0, 3, n_nodes),
        threshold=rng.normal(size=n_nodes).astype(np.float32),
        left=node + 1,
        right=node + 2,
        missing_left=rng.random(n_nodes) < 0.5,
        value=rng.normal(size=n_nodes).astype(np.float32),
    )


def forest(lengths: Sequence[int] = (5, 3, 1)) -> bytes:
    graph = Graph()
    x = graph.input("x0", "float32", ["rows", 3])
    output = write_forest(graph, x, chains(lengths, np.random.default_rng(0)), 1)
    return graph.finish({"y0": (output, "float32", ["rows", 1])})


def table() -> bytes:
    """Texts, dates in whole numbers, sizes that follow the rows."""
    graph = Graph()
    x, texts = graph.input("x0", "float64", ["rows", 3]), graph.input("x1", "string", ["rows", 1])
    encoder = {"keys_strings": ["a", "b"], "values_floats": [0.5, -0.5], "default_float": 0.0}
    city = graph.cast(graph.op("LabelEncoder", texts, domain=ML, **encoder), "float64")
    days = graph.cast(graph.op("Floor", graph.columns(x, [0])), "int64")
    week = graph.op("Mod", graph.op("Div", days, graph.constant([86_400])), graph.constant([7]))
    rows = graph.op("Shape", x, start=0, end=1)
    sizes = graph.op("Concat", rows, graph.constant([2]), axis=0)
    ones = graph.op("Expand", graph.constant([[1.0, 2.0]]), sizes)
    best, _ = graph.ops("TopK", x, graph.constant([2]), n_outputs=2, axis=1)
    flat = graph.op("Reshape", graph.op("Slice", x, *map(graph.constant, ([1], [3], [1]))), graph.constant([-1, 2]))
    output = graph.concat([city, graph.cast(week, "float64"), ones, best, flat])
    return graph.finish({"y0": (output, "float64", ["rows", 8])})


def _maps(x: torch.Tensor, **layers: nn.Module) -> torch.Tensor:
    inner = torch.relu(layers["first"](x))
    inner = nn.functional.pad(nn.functional.max_pool2d(inner, 2), (1, 0, 0, 1))
    return torch.cat([layers["back"](inner).mean((2, 3)), nn.functional.avg_pool2d(inner, 2).flatten(1)], 1)


def graphs() -> dict[str, bytes]:
    maps = Calls(_maps, first=nn.Conv2d(2, 3, 3, padding=1), back=nn.ConvTranspose2d(3, 2, 2, stride=2))
    sequence = Calls(
        lambda x, lstm, gru: gru(lstm(x)[0])[0][:, -1],
        lstm=nn.LSTM(3, 4, batch_first=True),
        gru=nn.GRU(4, 2, batch_first=True),
    )
    attention = Calls(
        lambda x, a, norm: norm(a(x, x, x)[0]).flatten(1),
        a=nn.MultiheadAttention(4, 2, batch_first=True),
        norm=nn.LayerNorm(4),
    )
    shapes = {"maps": (maps, (2, 8, 8)), "sequence": (sequence, (5, 3)), "attention": (attention, (3, 4))}
    networks = {name: graph_of(module.eval(), torch.randn(3, *shape)) for name, (module, shape) in shapes.items()}
    return {"forest": forest(), "table": table(), **networks}
