"""The weights of many networks of one shape, side by side in one flat array.

Parameter after parameter, each as a contiguous block ``(K, *shape)``: so a batched matrix product reads every member's
weights and writes every member's gradient without copying, and the optimiser goes over all of it in one pass.
Parameters with the same learning-rate factor and the same weight-decay rule lie together, so that a group is one slice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from annvil.errors import RequestError

_LINE = 16  # floats in 64 bytes: every block starts on a cache line


@dataclass(frozen=True)
class Group:
    """Parameters that share a rule: ``rate`` multiplies the learning rate, ``decay`` the weight decay (0: none).

    A step of AdamW thus shrinks a weight by learning rate × ``rate`` × weight decay × ``decay``.
    """

    rate: float
    decay: float


@runtime_checkable
class HasGroups(Protocol):
    """A network whose parameters learn and decay by rules of their own."""

    def parameter_groups(self) -> Mapping[str, tuple[float, float]]:
        """Factors of the learning rate and of the weight decay by name; 1 and as usual for those that are missing."""


@runtime_checkable
class HasOrthonormal(Protocol):
    """A network with matrices ``(d, k)``, k at most d, whose columns are to stay orthonormal."""

    def orthonormal_parameters(self) -> Sequence[str]:
        """Their names; they start orthonormal, and every update moves them along the manifold."""


@dataclass(frozen=True)
class Layout:
    """Names and shapes of one network's parameters, in the order of the flat array, and of its buffers."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    groups: tuple[Group, ...]  # of each parameter
    buffers: tuple[str, ...]
    orthonormal: tuple[str, ...] = ()  # parameters with orthonormal columns

    @classmethod
    def of(cls, network: nn.Module) -> Layout:
        """The layout of ``network``; its ``parameter_groups()``, if it has them, give (rate, decay) by name.

        Without them, weight decay applies to parameters of two axes and more, as is usual.
        """
        parameters = {name: value for name, value in network.named_parameters() if value.requires_grad}
        if not parameters:
            raise RequestError(f"{type(network).__name__} has no parameters that could be trained.")
        asked = network.parameter_groups() if isinstance(network, HasGroups) else {}
        unknown = sorted(set(asked) - set(parameters))
        if unknown:
            raise RequestError(
                f"{type(network).__name__}.parameter_groups() names {unknown[0]!r}, which is no parameter."
            )
        rules = {name: Group(*map(float, asked.get(name, (1, value.dim() >= 2)))) for name, value in parameters.items()}
        names = sorted(parameters, key=lambda name: (rules[name].decay, rules[name].rate))
        frozen = [name for name, value in network.named_parameters() if not value.requires_grad]
        return cls(
            tuple(names),
            tuple(tuple(parameters[name].shape) for name in names),
            tuple(rules[name] for name in names),
            tuple(frozen + [name for name, _ in network.named_buffers()]),
            tuple(network.orthonormal_parameters()) if isinstance(network, HasOrthonormal) else (),
        )

    def buffers_of(self, network: nn.Module) -> list[Tensor]:
        """One network's buffers, and parameters that are not trained, in this layout's order."""
        state = _state(network)
        return [state[name].detach().contiguous() for name in self.buffers]

    @property
    def n_parameters(self) -> int:
        """Trained numbers of one network."""
        return sum(prod(shape) for shape in self.shapes)

    def blocks(self, members: int) -> list[tuple[int, int]]:
        """Start and length of each parameter's block."""
        blocks, start = [], 0
        for shape in self.shapes:
            blocks.append((start, members * prod(shape)))
            start += -(-members * prod(shape) // _LINE) * _LINE
        return blocks

    def size(self, members: int) -> int:
        """Numbers in the flat array, padding included."""
        start, length = self.blocks(members)[-1]
        return start + -(-length // _LINE) * _LINE

    def views(self, flat: Tensor, members: int) -> list[Tensor]:
        """Each parameter's ``(members, *shape)`` window into ``flat``."""
        return [
            flat[start : start + length].view(members, *shape)
            for (start, length), shape in zip(self.blocks(members), self.shapes, strict=True)
        ]

    def slices(self, members: int, chosen: Collection[str]) -> list[tuple[Group, slice]]:
        """The slices of the flat array that each group of the parameters ``chosen`` covers."""
        found: list[tuple[Group, slice]] = []
        for name, group, (start, length) in zip(self.names, self.groups, self.blocks(members), strict=True):
            stop = start + -(-length // _LINE) * _LINE
            if name not in chosen:
                continue
            if found and found[-1][0] == group and found[-1][1].stop == start:
                found[-1] = (group, slice(found[-1][1].start, stop))
            else:
                found.append((group, slice(start, stop)))
        return found

    def stack(self, networks: Sequence[nn.Module]) -> tuple[list[Tensor], list[Tensor]]:
        """Parameters ``(K, *shape)`` as float32 and buffers ``(K, *shape)`` of the networks.

        Raises
        ------
        RequestError
            When the networks do not have the same parameters and shapes.
        """
        states = [_state(network) for network in networks]
        for number, state in enumerate(states):
            for name in (*self.names, *self.buffers):
                first, here = states[0][name], state.get(name)
                if here is None or here.shape != first.shape:
                    came = "is missing" if here is None else f"has shape {tuple(here.shape)}"
                    raise RequestError(
                        f"All networks of a population must have the same shape: {name!r} of member {number} {came}, "
                        f"of member 0 it has shape {tuple(first.shape)}. Train other shapes as another population."
                    )
        with torch.no_grad():
            parameters = [torch.stack([state[name] for state in states]).float() for name in self.names]
            buffers = [torch.stack([state[name] for state in states]) for name in self.buffers]
        return [value.detach() for value in parameters], [value.detach() for value in buffers]


def with_own_memory(network: nn.Module) -> nn.Module:
    """The network, whose weights and buffers can all be written to: expanded ones get memory for every element."""
    for tensor in _state(network).values():
        if is_lazy(tensor):
            continue
        if any(stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)):
            tensor.data = tensor.data.contiguous()
    return network


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}
