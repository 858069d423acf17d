"""Trained networks that forecast, as a member of a model: windows relative to their centre and swing, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.kinds.forecasts.contenders.maps import View, columns, side_values, write_sides
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.histories import Histories
from annvil.models.members import BaseMember
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from torch import Tensor, nn

ROWS_AT_ONCE = 1024

FARTHEST = 1e4
"""Swings from the centre at which values are cut: what is farther is no measurement, and costs digits (assumed)."""


@dataclass(frozen=True)
class WindowTensors:
    """From histories to what networks take.

    Attributes
    ----------
    mean, deviation : of the columns known ahead and past, float64 ``(n_channels - 1,)``, as training rows have them
    """

    form: ForecastForm
    view: View
    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def learnt(cls, inputs: Histories, view: View) -> WindowTensors:
        """What these rows show."""
        cells = _channels(inputs)
        mean, deviation = cells.mean(axis=(0, 2)), cells.std(axis=(0, 2))
        return cls(inputs.form, view, mean, np.where(deviation > 0, deviation, 1.0))

    def scaled(self, inputs: Histories) -> tuple[Tensor, Tensor, FloatArray, FloatArray]:
        """Values float32 ``(n, channels, window)``, what is beside them and a one ``(n, n_sides)``, centre and swing
        (0 where a window never moves) of each row ``(n, 1)``."""
        import torch

        seen = self.view.seen(inputs.windows())
        centre, swing = self.view.centres(seen), self.view.units(seen, self.form.season)
        first = np.clip((seen - centre) / swing, -FARTHEST, FARTHEST)[:, None]
        others = (_channels(inputs) - self.mean[:, None]) / self.deviation[:, None]
        values = np.concatenate([first, others], axis=1).astype(np.float32)
        sides = np.concatenate([side_values(inputs), np.ones((len(seen), 1))], axis=1).astype(np.float32)
        return torch.from_numpy(values), torch.from_numpy(sides), centre, self.view.moves(seen, self.form.season)

    def transform(self, inputs: Histories) -> tuple[Tensor, ...]:
        """The tensors alone."""
        return self.scaled(inputs)[:2]

    def back(self, outputs: FloatArray, centre: FloatArray, swing: FloatArray) -> FloatArray:
        """Outputs of networks in the target's unit."""
        return self.view.back(centre + swing * outputs)

    def written(self, graph: Graph, named: dict[str, Value]) -> tuple[Value, Value, Value, Value]:
        """`scaled` in a graph."""
        seen = self.view.write_seen(graph, named["history"])
        centre, swing = (
            self.view.write_centre(graph, seen, self.form.window),
            self.view.write_units(graph, seen, self.form),
        )
        moves = self.view.write_moves(graph, seen, self.form)
        away = graph.op("Div", graph.op("Sub", seen, centre), swing)
        away = graph.op("Clip", away, graph.constant(-FARTHEST), graph.constant(FARTHEST))
        channels = [graph.op("Unsqueeze", away, graph.constant([1], "int64"))]
        found = [columns(graph, named["known"], 0, self.form.window)] if "known" in named else []
        found += [named["past"]] if "past" in named else []
        if found:
            cells = found[0] if len(found) == 1 else graph.op("Concat", *found, axis=2)
            scaled = graph.op("Sub", cells, graph.constant(self.mean))
            scaled = graph.op("Div", scaled, graph.constant(self.deviation))
            channels.append(graph.op("Transpose", scaled, perm=[0, 2, 1]))
        values = channels[0] if len(channels) == 1 else graph.op("Concat", *channels, axis=1)
        last = columns(graph, seen, self.form.window - 1, self.form.window)
        one = graph.op("Add", graph.op("Mul", last, graph.constant(0.0)), graph.constant(1.0))
        beside = [write_sides(graph, named, self.form)] if _has_sides(self.form) else []
        sides = graph.concat([*beside, one])
        return graph.cast(values, "float32"), graph.cast(sides, "float32"), centre, moves

    def write(self, graph: Graph, *raw: Value) -> tuple[Value, ...]:
        """The tensors alone."""
        return self.written(graph, self.form.named(raw))[:2]

    def describe(self) -> tuple[str, ...]:
        """In sentences."""
        said = ["Logarithms of the values are taken."] if self.view.log_from is not None else []
        said.append(f"Windows are brought to 0 at their {self.view.centre} value and measured in their seasonal swing.")
        if len(self.mean):
            said.append("The mean of each other column becomes 0, its standard deviation 1.")
        return tuple(said)


def _has_sides(form: ForecastForm) -> bool:
    return bool(form.known or form.statics or form.periods)


def _channels(inputs: Histories) -> FloatArray:
    """Columns known ahead and past, over the window ``(n, channels, window)``."""
    form = inputs.form
    known = inputs.known()[:, : form.window] if form.known else np.empty((inputs.n_rows, form.window, 0))
    past = inputs.past() if form.past else np.empty((inputs.n_rows, form.window, 0))
    return np.concatenate([known, past], axis=2).transpose(0, 2, 1)


@dataclass(frozen=True)
class ForecastBag(BaseMember):
    """Networks on the same windows, their outputs averaged with equal weights, before they are brought back."""

    preparation: WindowTensors
    networks: tuple[nn.Module, ...]

    def predict(self, inputs: Histories) -> FloatArray:
        """Float64 ``(n_rows, horizon)``."""
        found = np.empty((inputs.n_rows, self.preparation.form.horizon))
        for rows, part in inputs.blocks():
            values, sides, centre, swing = self.preparation.scaled(part)
            mean = np.mean([network_values(one, values, sides) for one in self.networks], axis=0)
            found[rows] = self.preparation.back(mean, centre, swing)
        return found

    def write(self, graph: Graph, *raw: Value) -> Value:
        """The same as nodes."""
        from annvil.onnx.export import export_module

        prepared = self.preparation
        values, sides, centre, swing = prepared.written(graph, prepared.form.named(raw))
        parts = []
        for network in self.networks:
            (output,) = export_module(graph, network, values, sides, examples=network.examples())  # type: ignore[operator]
            parts.append(graph.cast(output, "float64"))
        total = parts[0] if len(parts) == 1 else graph.op("Sum", *parts)
        mean = graph.op("Div", total, graph.constant(float(len(parts))))
        moved = graph.op("Add", centre, graph.op("Mul", swing, mean))
        return prepared.view.write_back(graph, moved)

    @property
    def n_parameters(self) -> int:
        """Trained weights of all networks."""
        return sum(parameter.numel() for network in self.networks for parameter in network.parameters())

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to histories."""
        return self.preparation.describe()


def network_values(network: nn.Module, values: Tensor, sides: Tensor) -> FloatArray:
    """What a network says, float64 ``(n, horizon)``."""
    import torch

    network.eval()
    with torch.inference_mode():
        places = range(0, len(values), ROWS_AT_ONCE)
        parts: Any = torch.cat([network(values[k : k + ROWS_AT_ONCE], sides[k : k + ROWS_AT_ONCE]) for k in places])
    return np.asarray(parts.double().numpy())
