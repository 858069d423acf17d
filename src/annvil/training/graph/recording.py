"""Recording the step of a population: what is traced, under which settings of PyTorch, and what becomes of buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from annvil.training.compat.dropout_noise import begin
from annvil.training.graph.builder import CannotRecord
from annvil.training.graph.lowering import prepared as as_run
from annvil.training.graph.nodes import Node, Trace, live_nodes
from annvil.training.graph.recurrences import AsOneOperation
from annvil.training.graph.tracing import trace
from annvil.training.loop.step_spec import StepSpec, widened
from annvil.training.system.random_state import seeded


@dataclass(frozen=True)
class Recorded:
    """The trace of a step, and the places of the buffers whose new content are its last outputs."""

    trace: Trace
    moved: tuple[int, ...]


def record(spec: StepSpec, network: nn.Module, training: bool, example: Sequence[Tensor]) -> Recorded:
    """Record the step of ``network``, and see which buffers it changes."""
    n_parameters, n_buffers = len(spec.layout.names), len(spec.layout.buffers)
    buffers = slice(n_parameters, n_parameters + n_buffers)
    # Recording computes, and what it changes is not the pack's; `trace` tells inputs apart by where they lie.
    own = [tensor.clone() for tensor in example[: buffers.stop]] + list(example[buffers.stop :])
    stand_ins = [*network.parameters(), *network.buffers()]
    with traceable(spec.batched), seeded(0) if spec.draws else nullcontext():
        found = trace(step_function(spec, network, training), own, may_draw=spec.draws, stand_ins=stand_ins)
    if not training:
        return Recorded(as_run(found, buffers.stop, spec.bfloat16), ())
    n_results = n_parameters + 1
    results, after = found.outputs[:n_results], found.outputs[n_results:]
    unchanged = [_is_input(node, position) for position, node in enumerate(after)]
    if not all(unchanged[:n_parameters]):
        raise CannotRecord("changes its own weights while it computes")
    moved = tuple(place for place, same in enumerate(unchanged[n_parameters:]) if not same)
    outputs = [*results, *(after[n_parameters + place] for place in moved)]
    found = Trace(live_nodes(found.nodes, outputs), outputs)
    return Recorded(as_run(found, buffers.stop, spec.bfloat16), moved)


def _is_input(node: Node, position: int) -> bool:
    root = node.root
    whole = node.form.shape == root.form.shape and node.form.is_dense == root.form.is_dense
    return whole and root.position == position and root.op is None and root.source is None and root.value is None


@contextmanager
def traceable(batched: bool) -> Iterator[None]:
    """PyTorch's settings while networks are computed: the same kernels everywhere, if ``batched`` such as can be.

    Transformers take another path when no gradients are asked for, on which masks that hide everything give NaN.
    """
    vmaps: Any = torch._C._functorch
    before = torch.backends.mha.get_fastpath_enabled(), torch._C._get_flash_sdp_enabled()
    loops = vmaps._is_vmap_fallback_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    if batched:
        torch._C._set_sdp_use_flash(False)
        vmaps._set_vmap_fallback_enabled(False)  # an operation looped over members is slower than members one by one
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before[0])
        torch._C._set_sdp_use_flash(before[1])
        vmaps._set_vmap_fallback_enabled(loops)


def step_function(spec: StepSpec, network: nn.Module, training: bool) -> Callable[..., Sequence[Tensor]]:
    """The function to record: stacked tensors in; losses out.

    When ``training``, out come gradients (in the layout's order), losses, and parameters and buffers as they are
    afterwards.
    """
    layout = spec.layout
    counts = [len(layout.names), len(layout.buffers), len(spec.inputs)]

    def member_loss(*groups: Any) -> tuple[Tensor, list[Tensor]]:
        parameters, buffers, rows, prepared = groups
        own = dict(zip(layout.buffers, buffers, strict=True))
        state = dict(zip(layout.names, parameters, strict=True)) | own
        begin(network)
        output = functional_call(network, state, tuple(widened(rows, spec.recipe.byte_inputs)))
        # A buffer that was replaced instead of changed is left in the dictionary.
        return spec.loss_of(output, prepared), [state[name] for name in layout.buffers]

    def step(*tensors: Tensor) -> Sequence[Tensor]:
        waiting = list(tensors)
        groups = []
        for count in counts:
            groups.append(waiting[:count])
            waiting = waiting[count:]
        with torch.set_grad_enabled(training), AsOneOperation():
            # One by one, each member's own weights ask for gradients, not a view of the stacked ones.
            own = groups[0] if spec.batched else [tensor[0] for tensor in groups[0]]
            parameters = groups[0] = [tensor.detach().requires_grad_(training) for tensor in own]
            groups.append(waiting)
            if spec.batched:
                with _PaddingOfMembers():
                    losses, after = vmap(member_loss, randomness="different")(*groups)
            else:
                loss, after = member_loss(parameters, *([tensor[0] for tensor in group] for group in groups[1:]))
                losses, after = loss.unsqueeze(0), [tensor.unsqueeze(0) for tensor in after]
            if not training:
                return [losses]
            # Members share nothing, so the gradient of the sum holds each member's own gradient.
            gradients = torch.autograd.grad(losses.sum(), parameters, materialize_grads=True)
            if not spec.batched:
                gradients = tuple(gradient.unsqueeze(0) for gradient in gradients)
            weights = [p.detach() if spec.batched else p.detach().unsqueeze(0) for p in parameters]
            return [*gradients, losses.detach(), *weights, *after]

    return step


class _PaddingOfMembers(TorchFunctionMode):
    """Embeddings whose padding no member learns: PyTorch's batched gradient knows the padding of the first alone."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _PADDED.get(function, function)(*args, **(kwargs or {}))


def _embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None, *rest: Any, **more: Any) -> Tensor:
    found = functional.embedding(input, weight, None, *rest, **more)
    if padding_idx is None:
        return found
    padding = (input == padding_idx % len(weight)).unsqueeze(-1)
    return torch.where(padding, found.detach(), found)


def _plain_embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, *rest: Any, **more: Any) -> Tensor:
    found = torch.embedding(weight, indices, -1, *rest, **more)
    return found if padding_idx < 0 else torch.where((indices == padding_idx).unsqueeze(-1), found.detach(), found)


_PADDED = {functional.embedding: _embedding, torch.embedding: _plain_embedding}
