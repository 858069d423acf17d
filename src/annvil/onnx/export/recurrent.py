"""LSTM, GRU and plain recurrent networks: any number of layers, one or two directions, batch first or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from annvil.onnx.builder import Value
from annvil.onnx.export.shapes import part_of
from annvil.onnx.export.writer import Operand, Traced, Writer, shape_of, writes

aten = torch.ops.aten


@dataclass(frozen=True)
class _Cell:
    """The operator, and in which order it takes the gates that PyTorch keeps in the order 0, 1, …"""

    kind: str
    gates: tuple[int, ...]
    attributes: tuple[tuple[str, Any], ...] = ()


_LSTM = _Cell("LSTM", (0, 3, 1, 2))  # input, forget, cell, output → input, output, forget, cell
_GRU = _Cell("GRU", (1, 0, 2), (("linear_before_reset", 1),))  # reset, update, new → update, reset, hidden
_TANH = _Cell("RNN", (0,))
_RELU = _Cell("RNN", (0,), (("activations", "Relu"),))


@writes(aten.lstm)
def lstm(w: Writer, x: Traced, states: Sequence[Operand], weights: Sequence[Tensor], *rest: Any) -> list[Any]:
    return _layers(w, _LSTM, x, states, weights, *rest)


@writes(aten.gru)
def gru(w: Writer, x: Traced, state: Operand, weights: Sequence[Tensor], *rest: Any) -> list[Any]:
    return _layers(w, _GRU, x, [state], weights, *rest)


@writes(aten.rnn_tanh)
def rnn_tanh(w: Writer, x: Traced, state: Operand, weights: Sequence[Tensor], *rest: Any) -> list[Any]:
    return _layers(w, _TANH, x, [state], weights, *rest)


@writes(aten.rnn_relu)
def rnn_relu(w: Writer, x: Traced, state: Operand, weights: Sequence[Tensor], *rest: Any) -> list[Any]:
    return _layers(w, _RELU, x, [state], weights, *rest)


def _layers(
    w: Writer,
    cell: _Cell,
    x: Traced,
    states: Sequence[Operand],
    weights: Any,
    has_biases: Any,
    n_layers: int,
    dropout: float,
    training: bool,
    both_ways: bool,
    batch_first: bool = False,
) -> list[Any]:
    if isinstance(has_biases, list):
        raise w.refusal("packed sequences are not known here; give padded ones")
    ways, gates = 1 + both_ways, len(cell.gates)
    hidden = int(shape_of(weights[1])[1])
    per_way = len(weights) // (n_layers * ways)
    if int(shape_of(weights[1])[0]) != hidden * gates or per_way not in (2, 4):
        raise w.refusal("projected states (proj_size) are not known here")
    value = w.value(x)
    value = w.transpose(value, [1, 0, 2]) if batch_first else value
    ends: list[list[Value]] = [[] for _ in states]
    for layer in range(n_layers):
        own = [weights[(layer * ways + way) * per_way : (layer * ways + way + 1) * per_way] for way in range(ways)]
        stacked = [_stacked(w, cell, [group[place] for group in own], hidden) for place in range(per_way)]
        bias = w.value(torch.cat(stacked[2:], dim=1)) if per_way == 4 else ""
        begins = [_begin(w, state, layer * ways, ways) for state in states]
        operands = [value, w.value(stacked[0]), w.value(stacked[1]), bias, "", *begins]
        while not operands[-1]:
            operands.pop()
        attributes: dict[str, Any] = dict(cell.attributes)
        if "activations" in attributes:
            attributes["activations"] = [attributes["activations"]] * ways
        found = w.graph.ops(
            cell.kind,
            *operands,
            n_outputs=1 + len(states),
            hidden_size=hidden,
            direction="bidirectional" if both_ways else "forward",
            **attributes,
        )
        # (time, ways, batch, hidden) → (time, batch, ways × hidden)
        if both_ways:
            value = w.op("Reshape", w.transpose(found[0], [0, 2, 1, 3]), w.ints(0, 0, -1))
        else:
            value = w.op("Squeeze", found[0], w.ints(1))
        for end, one in zip(ends, found[1:], strict=True):
            end.append(one)
    output = w.transpose(value, [1, 0, 2]) if batch_first else value
    return [output, *(end[0] if len(end) == 1 else w.op("Concat", *end, axis=0) for end in ends)]


def _stacked(w: Writer, cell: _Cell, parts: Sequence[Tensor], hidden: int) -> Tensor:
    """Weights of both ways ``(ways, gates × hidden, …)``, gates in the order of ONNX."""
    if any(isinstance(part, Traced) for part in parts):
        raise w.refusal("weights that are computed from inputs are not known here")
    ordered = [torch.cat([part[gate * hidden : (gate + 1) * hidden] for gate in cell.gates]) for part in parts]
    return torch.stack(ordered).detach()


def _begin(w: Writer, state: Operand, start: int, count: int) -> Value:
    """The first state of a layer; "" where it is zero, which is what ONNX begins with."""
    if isinstance(state, Traced) and state.fill == 0:
        return ""
    whole = shape_of(state)[0] == count
    return w.value(state) if whole else part_of(w, w.value(state), 0, start, start + count)
