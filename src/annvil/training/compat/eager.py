"""Steps that PyTorch's autograd computes anew every time, for networks that cannot be recorded or gain nothing by it.

The parameters of such a network are windows into the pack's flat array, their gradients windows into its flat gradient,
and its buffers windows into the pack's buffers. So everything around the step (batches, optimiser, averages,
checkpoints, what is kept) is what recorded networks have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from annvil.training.compat.copying import copied
from annvil.training.compat.dropout_noise import begin
from annvil.training.loop.step_spec import StepSpec, widened


class OwnNetwork:
    """The network of a pack's only member. What it notes in its own Python attributes lives as long as the pack."""

    def __init__(self) -> None:
        self._network: nn.Module | None = None
        self._windows: Windows | None = None
        self._buffers: list[tuple[nn.Module, str, str]] = []

    @property
    def networks(self) -> list[nn.Module]:
        """The network, once it has computed."""
        return [] if self._network is None else [self._network]

    def on(self, windows: Windows) -> nn.Module:
        """The network computing with these windows."""
        if self._network is None:
            self._network = copied(windows.spec.network).float()
            self._buffers = _places_of_buffers(self._network)
        if self._windows is not windows:
            windows.attach(self._network, self._buffers)
            self._network.train(windows.trains)
            self._windows = windows
        return self._network


def _places_of_buffers(network: nn.Module) -> list[tuple[nn.Module, str, str]]:
    """Module, name there, and name in the layout of every buffer; one that several modules share has one name."""
    names = {id(tensor): name for name, tensor in network.named_buffers()}
    return [
        (module, last, names[id(tensor)])
        for module in network.modules()
        for last, tensor in module._buffers.items()
        if tensor is not None
    ]


class Windows:
    """Where a network's parameters, gradients and buffers lie while it computes a step."""

    def __init__(
        self, spec: StepSpec, parameters: Sequence[Tensor], buffers: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> None:
        self.spec = spec
        self.trains = bool(gradients)
        self.gradients = list(gradients)
        self._parameters = dict(zip(spec.layout.names, parameters, strict=True))
        self._buffers = dict(zip(spec.layout.buffers, buffers, strict=True))
        self._weights: list[tuple[Tensor, Tensor]] = []  # those of the network, and where they lie
        self._held: list[tuple[dict[str, Tensor | None], str, Tensor, Tensor]] = []

    def attach(self, network: nn.Module, places: Sequence[tuple[nn.Module, str, str]]) -> None:
        """Let the network look through the windows."""
        own = dict(network.named_parameters())
        windows = self._parameters | {name: window for name, window in self._buffers.items() if name in own}
        self._weights = [(own[name], window) for name, window in windows.items()]
        for weight, window in self._weights:
            weight.data = window
        for name, place in zip(self._parameters, range(len(self._parameters)), strict=True):
            own[name].grad = self.gradients[place] if self.trains else None
        self._held = []
        # The network gets tensors of its own that look through the windows: it may point them elsewhere (`.data = …`).
        shown = {name: window.detach() for name, window in self._buffers.items()}
        for module, last, name in places:
            module._buffers[last] = shown[name]
            self._held.append((module._buffers, last, shown[name], self._buffers[name]))

    def bring_home(self) -> None:
        """What the network put in the place of its weights, buffers and gradients, instead of changing them."""
        for weight, window in self._weights:
            if weight.data_ptr() != window.data_ptr():
                window.copy_(weight.data)
                weight.data = window
        for buffers, last, shown, window in self._held:
            now = buffers[last]
            if now is not None and (now is not shown or now.data_ptr() != window.data_ptr()):
                window.copy_(now.data)
                shown.data = window
                buffers[last] = shown
        if self.trains:
            for (weight, _), gradient in zip(self._weights, self.gradients, strict=False):
                if weight.grad is not gradient:
                    gradient.copy_(0 * gradient if weight.grad is None else weight.grad)
                    weight.grad = gradient


class EagerStep:
    """``run()`` computes one member's loss and, where there are windows for them, its gradients and new buffers."""

    def __init__(
        self,
        own: OwnNetwork,
        windows: Windows,
        rows: Sequence[Tensor],
        prepared: Sequence[Tensor],
        losses: Tensor,
    ) -> None:
        self._own, self._windows = own, windows
        self._rows, self._prepared, self._losses = list(rows), list(prepared), losses

    def run(self) -> None:
        """One pass; may be called under ``torch.no_grad()``."""
        windows, spec = self._windows, self._windows.spec
        network = self._own.on(windows)
        begin(network)
        with torch.set_grad_enabled(windows.trains), torch.autocast("cpu", torch.bfloat16, enabled=spec.bfloat16):
            loss = spec.loss_of(network(*widened(self._rows, spec.recipe.byte_inputs)), self._prepared)
        if windows.trains:
            torch._foreach_zero_(windows.gradients)
            loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self._losses.copy_(loss.detach())
            windows.bring_home()


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operations under it and their work, in the measure of `annvil.training.graph.nodes.Trace.work`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work = 0.0
        self.names: set[str] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keeps PyTorch from importing its compiler (one to two seconds), which has no part in this."""
        return False

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = op(*args, **(kwargs or {}))
        self.names.add(op._opname)
        result = results[0] if isinstance(results, list | tuple) and results else results
        if isinstance(result, Tensor):
            self.work += result.numel() * _work_of_one(op._opname, args)
        return results


def _work_of_one(name: str, args: Any) -> float:
    """Multiplications for one number of the result; ten stand for any other operation (see `Trace.work`)."""
    if name in ("mm", "bmm", "addmm", "baddbmm"):
        return float(args[-1].shape[-2])
    if "convolution" in name:
        return float(args[1].numel() / len(args[1]))
    if name == "mkldnn_rnn_layer":  # four gates from the input and from the state
        return float(4 * (args[1].shape[-1] + args[2].shape[-1]))
    return 10.0
