"""LSTM, GRU and plain recurrent networks: any number of layers, one or two directions, batch first or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from annvil.onnx.builder import Value
from annvil.onnx.export.shapes import part_of
from annvil.onnx.export.writer import Operand, Traced, Writer, shape_of, writes

aten = torch.ops.aten


_GATES: dict[Any, tuple[str, tuple[int, ...]]] = {
    aten.lstm: ("LSTM", (0, 3, 1, 2)),  # input, forget, cell, output → input, output, forget, cell
    aten.gru: ("GRU", (1, 0, 2)),  # reset, update, new → update, reset, hidden
    aten.rnn_tanh: ("RNN", (0,)),
    aten.rnn_relu: ("RNN", (0,)),
}
"""The operator, and in which order it takes the gates that PyTorch keeps in the order 0, 1, …"""


@writes(*_GATES)
def recurrent(w: Writer, x: Traced, state: Any, weights: Any, *_: Any) -> list[Any]:
    if "batch_sizes" in w.asked:
        raise w.refusal("packed sequences are not known here; give padded ones")
    n_layers, both_ways, batch_first = (w.asked[name] for name in ("num_layers", "bidirectional", "batch_first"))
    (kind, order), states = _GATES[w.packet], state if isinstance(state, list) else [state]
    ways = 1 + both_ways
    hidden = int(shape_of(weights[1])[1])
    per_way = len(weights) // (n_layers * ways)
    if int(shape_of(weights[1])[0]) != hidden * len(order) or per_way not in (2, 4):
        raise w.refusal("projected states (proj_size) are not known here")
    value = w.value(x)
    value = w.transpose(value, [1, 0, 2]) if batch_first else value
    attributes: dict[str, Any] = {"hidden_size": hidden, "direction": "bidirectional" if both_ways else "forward"}
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    if w.packet is aten.rnn_relu:
        attributes["activations"] = ["Relu"] * ways
    ends: list[list[Value]] = [[] for _ in states]
    for layer in range(n_layers):
        own = [weights[(layer * ways + way) * per_way : (layer * ways + way + 1) * per_way] for way in range(ways)]
        stacked = [_stacked(w, order, [group[place] for group in own], hidden) for place in range(per_way)]
        bias = w.value(torch.cat(stacked[2:], dim=1)) if per_way == 4 else ""
        begins = [_begin(w, state, layer * ways, ways) for state in states]
        operands = [value, w.value(stacked[0]), w.value(stacked[1]), bias, "", *begins]
        while not operands[-1]:
            operands.pop()
        found = w.graph.ops(kind, *operands, n_outputs=1 + len(states), **attributes)
        # (time, ways, batch, hidden) → (time, batch, ways × hidden)
        if both_ways:
            value = w.op("Reshape", w.transpose(found[0], [0, 2, 1, 3]), w.ints(0, 0, -1))
        else:
            value = w.op("Squeeze", found[0], w.ints(1))
        for end, one in zip(ends, found[1:], strict=True):
            end.append(one)
    output = w.transpose(value, [1, 0, 2]) if batch_first else value
    return [output, *(end[0] if len(end) == 1 else w.op("Concat", *end, axis=0) for end in ends)]


def _stacked(w: Writer, order: Sequence[int], parts: Sequence[Tensor], hidden: int) -> Tensor:
    """Weights of both ways ``(ways, gates × hidden, …)``, gates in the order of ONNX."""
    if any(isinstance(part, Traced) for part in parts):
        raise w.refusal("weights that are computed from inputs are not known here")
    ordered = [torch.cat([part[gate * hidden : (gate + 1) * hidden] for gate in order]) for part in parts]
    return torch.stack(ordered).detach()


def _begin(w: Writer, state: Operand, start: int, count: int) -> Value:
    """The first state of a layer; "" where it is zero, which is what ONNX begins with."""
    if isinstance(state, Traced) and state.fill == 0:
        return ""
    whole = shape_of(state)[0] == count
    return w.value(state) if whole else part_of(w, w.value(state), 0, start, start + count)
