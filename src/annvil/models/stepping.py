"""Models that can be called step by step: one moment of a series and a state go in, an output and a state come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.onnx.builder import Graph, Value


@dataclass(frozen=True)
class Stepper:
    """How a model is written so that it can be called step by step.

    Attributes
    ----------
    n_values : numbers of one step
    n_state : numbers that a step hands to the next; all are 0 before the first one
    write : of a graph, values ``(rows, n_values)`` and a state ``(rows, n_state)``, both float32: adds what
        `annvil.models.members.Member.write` gives of all steps so far, and the next state, to the graph
    beginnings : of inputs as a member predicts them: their first steps, all equally many, as such inputs; and the same
        as values float32 ``(rows, steps, n_values)``. So both ways can be compared.
    """

    n_values: int
    n_state: int
    write: Callable[[Graph, Value, Value], tuple[Value, Value]]
    beginnings: Callable[[Any], tuple[Any, NDArray[np.float32]]]


def averaged(
    steppers: Sequence[Stepper | None],
    weights: Sequence[float],
    calibrate: Callable[[Graph, Value], Value] | None = None,
) -> Stepper | None:
    """Several models as one, their outputs averaged and calibrated, their states end to end; None unless all step."""
    found = [one for one in steppers if one is not None]
    if len(found) < len(steppers) or len({one.n_values for one in found}) != 1:
        return None
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    ends = np.cumsum([one.n_state for one in found]).tolist()

    def write(graph: Graph, values: Value, state: Value) -> tuple[Value, Value]:
        outputs, states = [], []
        for one, end, share in zip(found, ends, shares, strict=True):
            bounds = (graph.constant([place], "int64") for place in (end - one.n_state, end, 1))
            own = state if len(found) == 1 else graph.op("Slice", state, *bounds)
            output, after = one.write(graph, values, own)
            outputs.append(graph.op("Mul", graph.cast(output, "float64"), graph.constant(share)))
            states.append(after)
        mean = outputs[0] if len(outputs) == 1 else graph.op("Sum", *outputs)
        after = states[0] if len(states) == 1 else graph.op("Concat", *states, axis=1)
        return mean if calibrate is None else calibrate(graph, mean), after

    return Stepper(found[0].n_values, ends[-1], write, found[0].beginnings)
