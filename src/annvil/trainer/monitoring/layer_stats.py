"""What happens inside a network while it looks at a few rows: one `LayerProbe` for every layer with weights.

Activations are seen where PyTorch computes them, as modules (`nn.ReLU`) or as functions (`torch.relu`) alike, and
belong to the layer with weights that was entered last. Layers are noticed by hooks; those of a Keras model, which
PyTorch's hooks do not reach, by replacing what they call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from annvil.trainer.keras.model import KerasNetwork, replaced_calls

_EDGE = 0.01  # of the range of a sigmoid or tanh, at each end


@dataclass
class LayerProbe:
    """One layer with weights (parameters of two axes and more).

    ``number`` counts layers from 1 in the order in which they are entered. ``axis`` is that of the units in what the
    layer gives. See `annvil.trainer.monitoring.health.LayerHealth` for the measurements.
    """

    name: str
    kind: str
    weights: dict[str, Tensor]
    axis: int = -1
    number: int = 0
    mean: float = math.nan
    spread: float = math.nan
    units: int = 0
    dead: int = 0
    saturated: float = 0.0
    _silent: Tensor | None = field(default=None, repr=False)

    def gave(self, output: Tensor) -> None:
        """Note what the layer gave."""
        numbers = output.detach().float()
        self.spread, self.mean = float(numbers.std(correction=0)), float(numbers.mean())
        self.units = self.units or output.shape[self.axis]

    def rectified(self, output: Tensor) -> None:
        """Note what a ReLU made of what the layer gave."""
        self.units = output.shape[self.axis]
        silent = (output.detach() == 0).movedim(self.axis, 0).flatten(1).all(1)
        same = self._silent is not None and self._silent.shape == silent.shape
        self._silent = silent & self._silent if same and self._silent is not None else silent
        self.dead = int(self._silent.sum())

    def squashed(self, output: Tensor, low: float) -> None:
        """Note what a sigmoid (``low`` 0) or tanh (``low`` -1) made of what the layer gave."""
        share = (output.detach().float() - low) / (1 - low)
        self.saturated = float(((share < _EDGE) | (share > 1 - _EDGE)).float().mean())


def probe_layers(network: nn.Module, rows: Sequence[Tensor]) -> list[LayerProbe]:
    """The layers with weights of ``network`` in the order in which they work, measured on ``rows`` of its inputs.

    The network is called once, in evaluation mode; it is left as it was. The last layer's activation is not judged for
    dead and saturated units: a class that is sure is meant to be.
    """
    recorder, probes = _Recorder(), _probes(network)
    if isinstance(network, KerasNetwork):
        listening = _in_keras(network, probes, recorder)
    else:
        listening = _in_modules(network, probes, recorder)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad(), listening, recorder:
            network(*rows)
    finally:
        network.train(was_training)
    ordered = _in_order(list(probes.values()))
    if recorder.entered:
        recorder.entered[-1].dead, recorder.entered[-1].saturated = 0, 0.0
    return ordered


def _in_order(probes: list[LayerProbe]) -> list[LayerProbe]:
    """Numbered in the order in which they were entered; one that never was (attention uses the weights of a layer that
    it holds) follows the one before it in the network.
    """
    entered: list[int] = []
    for probe in probes:
        entered.append(probe.number or (entered[-1] if entered else 0))
    ordered = [probe for _, probe in sorted(zip(entered, probes, strict=True), key=lambda pair: pair[0])]
    for number, probe in enumerate(ordered, 1):
        probe.number = number
    return ordered


class _Recorder(TorchFunctionMode):
    """Sees PyTorch's activations and gives them to the layer entered last."""

    def __init__(self) -> None:
        super().__init__()
        self.entered: list[LayerProbe] = []

    def enter(self, probe: LayerProbe) -> None:
        """A layer begins its work."""
        if not probe.number:
            self.entered.append(probe)
            probe.number = len(self.entered)
        self.current = probe

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        note = _ACTIVATIONS.get(function)
        if note is not None and self.entered and isinstance(result, Tensor):
            note(self.current, result)
            self.current.gave(result)
        return result


_RELU = (F.relu, F.relu_, F.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)
_SIGMOID = (F.sigmoid, torch.sigmoid, Tensor.sigmoid, torch.special.expit)
_ACTIVATIONS: dict[Any, Callable[[LayerProbe, Tensor], None]] = {
    **dict.fromkeys(_RELU, LayerProbe.rectified),
    **dict.fromkeys(_SIGMOID, partial(LayerProbe.squashed, low=0)),
    **dict.fromkeys((F.tanh, torch.tanh, Tensor.tanh), partial(LayerProbe.squashed, low=-1)),
}


def _probes(network: nn.Module) -> dict[int, LayerProbe]:
    """A probe for every layer with weights, by the layer's `id`."""
    values = dict(network.named_parameters(remove_duplicate=False))
    if isinstance(network, KerasNetwork):
        layers = [(layer, layer.name, paths) for layer, paths in network.owners()]
    else:
        layers = [
            (module, name, [path for path, _ in module.named_parameters(prefix=name, recurse=False)])
            for name, module in network.named_modules()
        ]
    probes = {}
    for layer, name, paths in layers:
        weights = {path: values[path].detach() for path in paths if values[path].dim() >= 2}
        first = isinstance(layer, nn.modules.conv._ConvNd) or getattr(layer, "data_format", "") == "channels_first"
        if weights:
            probes[id(layer)] = LayerProbe(name, type(layer).__name__, weights, axis=1 if first else -1)
    return probes


@contextmanager
def _in_modules(network: nn.Module, probes: dict[int, LayerProbe], recorder: _Recorder) -> Iterator[None]:
    handles: list[Any] = []
    for module in network.modules():
        probe = probes.get(id(module))
        if probe is not None:
            handles.append(module.register_forward_pre_hook(lambda _, args, probe=probe: recorder.enter(probe)))
            handles.append(module.register_forward_hook(lambda _, args, output, probe=probe: _note(probe, output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _in_keras(network: KerasNetwork, probes: dict[int, LayerProbe], recorder: _Recorder) -> Iterator[None]:
    layers = [layer for layer, _ in network.owners() if id(layer) in probes]

    def watched(layer: Any) -> Callable[..., Any]:
        probe, call = probes[id(layer)], layer.call

        def watching(*args: Any, **kwargs: Any) -> Any:
            recorder.enter(probe)
            output = call(*args, **kwargs)
            _note(probe, output)
            return output

        return watching

    with replaced_calls({id(layer): watched(layer) for layer in layers}, layers):
        yield


def _note(probe: LayerProbe, output: Any) -> None:
    if isinstance(output, list | tuple) and output:
        output = output[0]
    if isinstance(output, Tensor) and output.is_floating_point() and output.dim() >= 1:
        probe.gave(output)
