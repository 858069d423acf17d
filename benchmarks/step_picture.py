"""Draws docs/engine-step.svg from the engine's own trace: what a training step is before and after it is simplified.

    python benchmarks/step_picture.py

The network is 20-64-64-2 with ReLU, 64 members, batches of 32, cross-entropy. The counts and the operations come from
recording that step; only the words for operations and the places of the boxes stand here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from annvil.plots.labels import text_width
from annvil.plots.standalone import alone
from annvil.plots.svg import Drawing, element
from annvil.training import Member, Recipe
from annvil.training.graph.nodes import Node, Trace, aten, nodes_in
from annvil.training.graph.recording import step_function, traceable
from annvil.training.loop.bound_step import Workspace, bind_step
from annvil.training.loop.engine import _check
from annvil.training.loop.execution import choose as choose_execution
from annvil.training.loop.job import TrainingJob

TARGET = Path(__file__).parents[1] / "docs" / "engine-step.svg"
MEMBERS, BATCH = 64, 32
WIDTH, PITCH, BOX, HEIGHT = 672.0, 61.0, 53.0, 36.0
FORWARD, BACKWARD, GRADIENTS = 152.0, 236.0, 320.0  # upper edges of the rows of boxes

STYLE = """
.annvil .cell { fill: var(--grid); }
.annvil .cell.left { fill: var(--first); } .annvil .cell.gone { fill: var(--second); }
.annvil .box { fill: var(--paper); stroke: var(--ink-3); stroke-width: 1; }
.annvil .box.product { fill: var(--first); fill-opacity: 0.16; stroke: var(--first); }
.annvil .arrow { fill: none; stroke: var(--ink-2); stroke-width: 1.2; }
.annvil .arrow.kept { stroke: var(--ink-3); stroke-dasharray: 3 3; }
.annvil .tip { fill: var(--ink-2); } .annvil .tip.kept { fill: var(--ink-3); }
"""


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every elementary operation and the size of its first result."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, int]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # as in `annvil.training.graph.tracing`

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = op(*args, **(kwargs or {}))
        self.calls.append((op, result.numel() if isinstance(result, Tensor) else 0))
        return result


def small_network() -> nn.Module:
    """20-64-64-2."""
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


def recorded() -> tuple[TrainingJob, list[tuple[Any, int]], Trace, int]:
    """The job, its step as autograd does it, the trace that is replayed, and the calls of the bound program."""
    inputs = torch.randn(4 * BATCH, 20, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(4 * BATCH) % 2
    members = [Member(np.arange(4 * BATCH), np.arange(0), seed) for seed in range(MEMBERS)]
    recipe = Recipe(1, batch_size=BATCH, precision="float32")
    network: Callable[[Member], nn.Module] = lambda _: small_network()  # noqa: E731
    job, _ = choose_execution(_check(network, (inputs,), targets, members, recipe, "cross-entropy", None))
    parameters, buffers = job.layout.stack([job.network] * MEMBERS)
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    bound = bind_step(job, parameters, buffers, BATCH, Workspace(), torch.zeros(MEMBERS), gradients)
    with traceable(True), Seen() as seen:
        step_function(job, job.network, True)(*parameters, *buffers, *bound.rows, *bound.prepared)
    trace = job.recorded(MEMBERS, BATCH, True, ()).trace
    return job, seen.calls, trace, len(bound.program.instructions)  # type: ignore[attr-defined]


def kinds(calls: Sequence[tuple[Any, int]], trace: Trace) -> list[str]:
    """For each call: "view", "left" (its like is in the trace), or "gone" (computed nothing that is needed)."""
    names = {"relu": "clamp_min"}
    waiting = Counter((node.op._opname, node.form.size) for node in trace.nodes if node.op is not None)
    found = []
    for op, size in calls:
        key = (names.get(op._opname, op._opname), size)
        if op is aten._unsafe_view.default or any(returned.alias_info for returned in op._schema.returns):
            found.append("view")
        elif waiting[key]:
            waiting[key] -= 1
            found.append("left")
        else:
            found.append("gone")
    assert not +waiting, f"not seen by autograd: {+waiting}"
    return found


@dataclass
class Placed:
    """An operation in the picture."""

    node: Node
    column: int
    top: float
    words: tuple[str, str] = ("", "")

    @property
    def middle(self) -> float:
        return self.column * PITCH + BOX / 2


def placed(job: TrainingJob, trace: Trace) -> list[Placed]:
    """Forward from left to right; below each operation its way back, and below that the gradients it leads to."""
    n_parameters = len(job.layout.names)
    computed = [node for node in trace.nodes if node.op is not None]
    forward = computed[: computed.index(trace.outputs[n_parameters].root) + 1]
    places = {id(node): Placed(node, column, FORWARD) for column, node in enumerate(forward)}
    users = {operand.root.position: places[id(node)].column for node in forward for operand in nodes_in(node.args)}
    for position, output in enumerate(trace.outputs[:n_parameters]):
        places[id(output.root)] = Placed(output.root, users[position], GRADIENTS)
    for node in computed:
        if id(node) not in places:  # under the operation whose weights or whose result it meets again
            roots = [operand.root for operand in nodes_in(node.args)]
            weights = [users[root.position] for root in roots if 0 <= root.position < n_parameters]
            met = [places[id(root)].column for root in roots if id(root) in places and places[id(root)].top == FORWARD]
            places[id(node)] = Placed(node, (weights or met)[0], BACKWARD)
    found = list(places.values())
    name_all(found, names_of_inputs(job))
    return found


def names_of_inputs(job: TrainingJob) -> dict[int, str]:
    """W₁, b₁, … by the order of layers; x after them."""
    layers = sorted({name.rpartition(".")[0] for name in job.layout.names}, key=int)
    names = {}
    for position, name in enumerate(job.layout.names):
        layer, _, what = name.rpartition(".")
        names[position] = ("W" if what == "weight" else "b") + "₁₂₃"[layers.index(layer)]
    names[len(names) + len(job.layout.buffers)] = "x"
    return names


def name_all(boxes: Sequence[Placed], inputs: dict[int, str]) -> None:
    """Two lines for every box: what it does, and with what."""
    own: dict[int, str] = {}

    def name(node: Node) -> str:
        return own.get(id(node.root)) or inputs.get(node.root.position, "")

    relus = [box.node for box in boxes if box.node.op is aten.clamp_min.default]
    own.update({id(node): f"h{'₁₂₃'[i]}" for i, node in enumerate(relus)})
    deltas = [box for box in boxes if box.node.op in (aten.threshold_backward.default, SOFTMAX_BACKWARD)]
    deltas.sort(key=lambda box: box.column)
    own.update({id(box.node): f"δ{'₁₂₃'[i]}" for i, box in enumerate(deltas)})
    for box in boxes:
        operands = [name(operand) for operand in nodes_in(box.node.args)]
        if box.node.op is aten.bmm.default:
            marks = {FORWARD: ("", "ᵀ"), BACKWARD: ("", ""), GRADIENTS: ("ᵀ", "")}[box.top]
            box.words = "product", " ".join(operand + mark for operand, mark in zip(operands, marks, strict=True))
        elif box.node.op is aten.add.Tensor:
            box.words = "add", f"+ {next(operand for operand in operands if operand)}"
        elif box.node.op is aten.sum.dim_IntList:
            box.words = "sum", "= loss" if box.top == FORWARD else f"of {operands[0]}"
        elif box.node.op is aten.mul.Tensor:
            box.words = "times", "targets"
        elif box.node.op is aten._log_softmax.default:
            box.words = "softmax", "log"
        else:
            does = "ReLU" if box.node.op is aten.clamp_min.default else "slope"
            box.words = does, f"= {own[id(box.node)]}"


SOFTMAX_BACKWARD = aten._log_softmax_backward_data.default


def arrow(drawing: Drawing, points: Sequence[tuple[float, float]], cls: str = "") -> None:
    """A line with a tip at its end."""
    drawing.path(points, f"arrow {cls}".strip())
    (x0, y0), (x, y) = points[-2:]
    along = (np.sign(x - x0), np.sign(y - y0))
    back = (x - 6 * along[0], y - 6 * along[1])
    aside = (3.2 * along[1], 3.2 * along[0])
    corners = [(x, y), (back[0] + aside[0], back[1] + aside[1]), (back[0] - aside[0], back[1] - aside[1])]
    drawing.path(corners, f"tip {cls}".strip(), closed=True)


def draw_arrows(drawing: Drawing, boxes: Sequence[Placed]) -> None:
    """Along the rows, down from what was remembered, and down to gradients."""
    at = {id(box.node): box for box in boxes}
    for box in boxes:
        for operand in nodes_in(box.node.args):
            source = at.get(id(operand.root))
            if source is None:
                continue
            if source.top == box.top:
                side = BOX / 2 if source.column < box.column else -BOX / 2
                height = box.top + HEIGHT / 2
                arrow(drawing, [(source.middle + side, height), (box.middle - side, height)])
            elif source.top == FORWARD and source.column == box.column:
                arrow(drawing, [(box.middle, source.top + HEIGHT), (box.middle, box.top)], "kept")
            elif source.top == BACKWARD:
                bend = (BACKWARD + HEIGHT + GRADIENTS) / 2
                start = (source.middle, BACKWARD + HEIGHT)
                arrow(drawing, [start, (source.middle, bend), (box.middle, bend), (box.middle, GRADIENTS)])


def draw(job: TrainingJob, calls: Sequence[tuple[Any, int]], trace: Trace) -> str:
    """The whole picture."""
    drawing = Drawing(WIDTH, 386)
    drawing.add(element("style", STYLE))
    of = kinds(calls, trace)
    boxes = placed(job, trace)
    n_parameters = len(job.layout.names)
    turn = next(i for i, (op, _) in enumerate(calls) if op is aten.ones_like.default)
    drawing.text(0, 12, f"As recorded: {len(calls)} operations", "strong")
    gap = 10.0
    cell = (WIDTH - gap) / len(calls)
    for i, (kind, (op, _)) in enumerate(zip(of, calls, strict=True)):
        drawing.rect(i * cell + gap * (i >= turn), 24, cell - 1.4, 22, f"cell {kind}", str(op))
    drawing.text(0, 62, "forward and loss", "note")
    drawing.text(turn * cell + gap, 62, "back to the gradients", "note")
    left = 0.0
    for kind, words in (
        ("left", "compute"),
        ("view", "look at the same memory another way"),
        ("gone", "are not needed"),
    ):
        drawing.rect(left, 78, 11, 11, f"cell {kind}")
        said = f"{of.count(kind)} {words}"
        drawing.text(left + 17, 88, said, "tick")
        left += 17 + text_width(said, 11.5) + 22
    heading = f"As replayed: {len(boxes)} operations, each for {MEMBERS} members at once"
    drawing.text(0, FORWARD - 30, heading, "strong")
    drawing.text(0, FORWARD - 12, "forward", "note")
    row = 9 * PITCH  # beside the row on the way back, which is shorter
    drawing.text(row, BACKWARD + 15, "back, from right to left:", "note")
    drawing.text(row, BACKWARD + 30, "δ is a layer's gradient", "note")
    drawing.text(8 * PITCH, GRADIENTS + 15, "gradients, written where", "note")
    drawing.text(8 * PITCH, GRADIENTS + 30, "the optimiser reads them", "note")
    draw_arrows(drawing, boxes)
    inputs = names_of_inputs(job)
    outputs = {id(node.root): inputs[i] for i, node in enumerate(trace.outputs[:n_parameters])}
    for box in boxes:
        x = box.column * PITCH
        product = " product" if box.node.op is aten.bmm.default else ""
        drawing.rect(x, box.top, BOX, HEIGHT, "box paper", rx=4)
        drawing.rect(x, box.top, BOX, HEIGHT, f"box{product}", f"{box.node.op} {box.node.form.shape}", rx=4)
        drawing.text(box.middle, box.top + 15, box.words[0], "label", "middle")
        drawing.text(box.middle, box.top + 29, box.words[1], "tick", "middle")
        if id(box.node) in outputs:
            drawing.text(box.middle, GRADIENTS + HEIGHT + 17, f"∂{outputs[id(box.node)]}", "strong", "middle")
    rows = Counter(box.top for box in boxes)
    title = "One training step of a 20-64-64-2 network, as recorded and as replayed"
    description = (
        f"Of {len(calls)} recorded operations {of.count('view')} are views and {of.count('gone')} are not needed; "
        f"{len(boxes)} remain: {rows[FORWARD]} forward, {rows[BACKWARD]} back, {rows[GRADIENTS]} that write gradients."
    )
    return alone(drawing.svg("engine-step", title, description))


def main() -> None:
    job, calls, trace, n_calls = recorded()
    TARGET.write_text(draw(job, calls, trace) + "\n", encoding="utf-8")
    of = Counter(kinds(calls, trace))
    print(f"{TARGET.name}: {len(calls)} operations recorded {dict(of)}, {n_calls} calls replayed")


if __name__ == "__main__":
    main()
