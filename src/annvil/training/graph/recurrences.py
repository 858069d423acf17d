"""`torch.nn.GRU` and `torch.nn.RNN` as one operation each way, of one member or of many at once.

PyTorch computes them as some ten operations a step, each with its own node of autograd, and has no form of them for
many networks; its LSTM is one fused kernel, which nothing here is as fast as (measured), and is left alone. In a
recording a whole recurrence is one operation, and its gradient another. Inside, steps are a loop over preallocated
memory, with the members' products as one batched product; what of the gradient follows from the forward pass alone is
computed for all steps at once, so that going back takes two or three operations a step.

`AsOneOperation` puts them in the place of PyTorch's own wherever a network calls those.

Source of the equations: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html, and of RNN there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_LIBRARY: Any = torch.library.Library("annvil", "FRAGMENT")  # type: ignore[no-untyped-call]
_LIBRARY.define("recurrence(Tensor x, Tensor w, Tensor b, Tensor h, str cell) -> Tensor[]")
_LIBRARY.define("recurrence_back(Tensor dy, Tensor[] saved, Tensor w, Tensor h, str cell) -> Tensor[]")

_CELLS = ("gru", "rnn_tanh", "rnn_relu")


def _forward(x: Tensor, w: Tensor, b: Tensor, h: Tensor, cell: str) -> list[Tensor]:
    """States ``(members, rows, steps, units)``, and what the gradient needs.

    Parameters
    ----------
    x : what the inputs contribute to the gates ``(members, rows, steps, gates × units)``
    w, b : weights of the states ``(members, gates × units, units)`` and their bias
    h : first states ``(members, rows, units)``

    Inside, rows are the last axis, ``(steps, members, units, rows)``: so each gate of a step is a block of memory.
    """
    members, rows, steps, _ = x.shape
    units, bias, h = w.shape[2], b.unsqueeze(2), h.transpose(1, 2)
    inputs = x.permute(2, 0, 3, 1).contiguous()
    states = torch.empty(steps, members, units, rows)
    if cell == "gru":
        gates, candidates = torch.empty_like(inputs), torch.empty_like(states)
        ends = units, 2 * units, 3 * units
        r, z, hn = (gates[:, :, end - units : end].unbind() for end in ends)
        in_turn = inputs[:, :, : 2 * units].unbind(), inputs[:, :, 2 * units :].unbind(), gates.unbind()
        both, found = gates[:, :, : 2 * units].unbind(), (candidates.unbind(), states.unbind())
        for x_rz, x_n, whole, rz, r_t, z_t, hn_t, n, state in zip(*in_turn, both, r, z, hn, *found, strict=True):
            torch.baddbmm(bias, w, h, out=whole)
            rz.add_(x_rz).sigmoid_()
            torch.addcmul(x_n, r_t, hn_t, out=n).tanh_()
            h = torch.lerp(n, h, z_t, out=state)
        kept = [states, gates, candidates]
    else:
        inputs += bias
        for x_t, state in zip(inputs.unbind(), states.unbind(), strict=True):
            torch.baddbmm(x_t, w, h, out=state)
            h = state.tanh_() if cell == "rnn_tanh" else state.relu_()
        kept = [states]
    return [states.permute(1, 3, 0, 2).contiguous(), *kept]


def _backward(dy: Tensor, saved: Sequence[Tensor], w: Tensor, h: Tensor, cell: str) -> list[Tensor]:
    """Gradients of ``x, w, b, h``, given those of the states."""
    states = saved[0]
    steps, members, units, rows = states.shape
    before = torch.cat([h.transpose(1, 2).unsqueeze(0), states[:-1]])
    given = dy.permute(2, 0, 3, 1).contiguous().unbind()
    turned, d = w.transpose(1, 2), given[-1]
    if cell == "gru":
        _, gates, n = saved
        r, z, hn = torch.split(gates, units, dim=2)
        back = torch.empty_like(gates)  # first what each gate multiplies the gradient of a state with
        of_r, of_z, of_hn = torch.split(back, units, dim=2)
        to_n = (1 - z).mul_((n * n).neg_().add_(1))
        torch.mul(to_n, r, out=of_hn)
        torch.mul((1 - r).mul_(hn), of_hn, out=of_r)
        torch.mul((before - n).mul_(z), 1 - z, out=of_z)
        every, keeps, backs = torch.empty_like(states), z.unbind(), back.unbind()
        for t in range(steps - 1, -1, -1):
            every[t].copy_(d)
            backs[t].view(members, 3, units, rows).mul_(d.unsqueeze(1))
            earlier = torch.addcmul(given[t - 1], d, keeps[t]) if t else d * keeps[t]
            d = torch.baddbmm(earlier, turned, backs[t])
        inputs = torch.cat([back[:, :, : 2 * units], every.mul_(to_n)], dim=2)
    else:
        inputs = back = (states * states).neg_().add_(1) if cell == "rnn_tanh" else (states > 0).to(states.dtype)
        backs = back.unbind()
        for t in range(steps - 1, -1, -1):
            backs[t].mul_(d)
            d = torch.baddbmm(given[t - 1], turned, backs[t]) if t else torch.bmm(turned, backs[t])
    of_member = back.permute(1, 2, 0, 3).reshape(members, -1, steps * rows)
    seen = before.permute(1, 0, 3, 2).reshape(members, steps * rows, units)
    d_w, d_b = torch.bmm(of_member, seen), of_member.sum(dim=2)
    return [inputs.permute(1, 3, 0, 2).contiguous(), d_w, d_b, d.transpose(1, 2).contiguous()]


_LIBRARY.impl("recurrence", _forward, "CPU")
_LIBRARY.impl("recurrence_back", _backward, "CPU")


class _Recurrence(torch.autograd.Function):
    """The two operations as one function of autograd, members first; under `torch.vmap` of one member each."""

    @staticmethod
    def forward(*arguments: Any) -> tuple[Tensor, ...]:
        found: list[Tensor] = torch.ops.annvil.recurrence(*arguments)
        return tuple(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, w, _, h, ctx.cell = inputs
        ctx.save_for_backward(w, h, *output[1:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Any) -> Any:
        w, h, *saved = ctx.saved_tensors
        return *torch.ops.annvil.recurrence_back(dy, saved, w, h, ctx.cell), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> Any:
        def members(one: Any, dim: int | None) -> Any:
            if not isinstance(one, Tensor):
                return one
            one = one.unsqueeze(0) if dim is None else one.movedim(dim, 0)
            return one.expand(info.batch_size, *one.shape[1:]).squeeze(1)

        moved = [members(one, dim) for one, dim in zip(arguments, in_dims, strict=True)]
        y, *saved = _Recurrence.apply(*moved)  # type: ignore[no-untyped-call]
        return (y.unsqueeze(1), *saved), (0, *[None] * len(saved))


class AsOneOperation(TorchFunctionMode):
    """Under it recurrent layers are computed by `_Recurrence`; those that it does not know, by PyTorch."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        if name in _CELLS and not kwargs and _is_known(*args):
            return _layers(name, *args)
        return function(*args, **(kwargs or {}))


def has_form_for_members(network: nn.Module) -> bool:
    """Whether none of its recurrent layers needs PyTorch's own: an LSTM, or one that draws between its layers."""
    layers = [module for module in network.modules() if isinstance(module, nn.RNNBase)]
    return not any(isinstance(one, nn.LSTM) or (one.dropout and one.num_layers > 1) for one in layers)


def _is_known(x: Any, states: Any, weights: Any, biased: Any, *rest: Any) -> bool:
    """Sequences that are not packed, float32 on a CPU; no dropout between layers, which draws."""
    if not isinstance(biased, bool):
        return False  # of packed sequences, the arguments are others
    n_layers, dropout, trains, *_ = rest
    draws = dropout and trains and n_layers > 1
    return bool(not draws and x.dtype == torch.float32 and x.device.type == "cpu" and x.numel())


def _layers(
    name: str,
    x: Tensor,
    begin: Tensor,
    weights: Sequence[Tensor],
    biased: bool,
    n_layers: int,
    _dropout: float,
    _trains: bool,
    both_ways: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor]:
    """What PyTorch's function of that name returns: outputs and the last states of all layers."""
    ways, of_way, ends = 1 + both_ways, 4 if biased else 2, []
    found = x if batch_first else x.transpose(0, 1)
    for layer in range(n_layers):
        parts = []
        for place in range(layer * ways, (layer + 1) * ways):
            w_x, w_h, *biases = weights[place * of_way : (place + 1) * of_way]
            gates = nn.functional.linear(found, w_x, biases[0] if biases else None)
            backwards = place % ways
            given = gates.flip(1) if backwards else gates
            b = biases[1] if biases else w_h.new_zeros(len(w_h))
            members_first = (one.unsqueeze(0) for one in (given, w_h, b, begin[place]))
            y = _Recurrence.apply(*members_first, name)[0].squeeze(0)  # type: ignore[no-untyped-call]
            ends.append(y[:, -1])
            parts.append(y.flip(1) if backwards else y)
        found = torch.cat(parts, dim=2) if both_ways else parts[0]
    return found if batch_first else found.transpose(0, 1), torch.stack(ends)
