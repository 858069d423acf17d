"""What training leaves behind."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from annvil.tasks.base import FloatArray, IntArray
from annvil.training.compat.copying import copied
from annvil.training.graph.recording import traceable
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.stack import with_own_memory
from annvil.training.loop.step_spec import widened
from annvil.training.system.random_state import seeded

_ROWS_AT_ONCE = 4096  # rows × members in one pass of `predict` (assumed: tens of MB for wide networks)


@dataclass
class Population:
    """K trained networks, each with the weights of its best epoch.

    Attributes
    ----------
    states : per member, in words: "finished", "stopped early at epoch 31", "beaten at epoch 10", "stopped at epoch 4"
        (by ``should_stop``), or "diverged at epoch 3: …"
    histories : per member ``{"train_loss": [...], "validation_loss": [...]}``, one value an epoch
    best_epochs : int64 ``(K,)``: epochs trained when the kept weights were reached; 0: the initial weights
    validation_loss : float64 ``(K,)``: at the best epoch; NaN without validation rows
    choices : what the engine chose and why: precision, threads, packs
    cut_short : whether ``should_stop`` ended training
    """

    states: tuple[str, ...]
    histories: tuple[Mapping[str, list[float]], ...]
    best_epochs: IntArray
    validation_loss: FloatArray
    choices: Mapping[str, Any]
    cut_short: bool
    _job: TrainingJob = field(repr=False)
    _parameters: list[Tensor] = field(repr=False)
    _buffers: list[Tensor] = field(repr=False)
    _computes: nn.Module | None = field(default=None, repr=False)  # predictions, in evaluation mode; None: a new copy

    def __len__(self) -> int:
        return len(self.states)

    def network(self, member: int) -> nn.Module:
        """A network of its own with the best weights of ``member``, in evaluation mode.

        Everything but parameters and buffers is that of member 0, as ``make_network`` built it: members may differ in
        nothing else.
        """
        network, layout = with_own_memory(copied(self._job.given)), self._job.layout
        state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        names, values = (*layout.names, *layout.buffers), (*self._parameters, *self._buffers)
        with torch.no_grad():
            for name, stacked in zip(names, values, strict=True):
                if name in state:  # otherwise it belongs to noise that was swapped for training
                    state[name].copy_(stacked[member])
        return network.eval()

    def predict(self, inputs: tuple[Tensor, ...], rows: Any = None, members: Sequence[int] | None = None) -> Tensor:
        """Raw outputs of the members, float32 ``(members, rows, out)`` (``(members, rows, k, out)`` for k
        sub-networks).

        ``rows`` chooses rows of ``inputs`` for all members (one axis) or for each (``(members, rows)``); default all.
        ``members`` are numbers, default all.
        """
        chosen = list(range(len(self))) if members is None else list(members)
        which = torch.arange(len(inputs[0])) if rows is None else torch.as_tensor(np.asarray(rows))
        parameters = [value[chosen] for value in self._parameters]
        buffers = [value[chosen] for value in self._buffers]
        network, layout = self._computes or copy.deepcopy(self._job.network).eval(), self._job.layout
        own = 0 if which.dim() == 2 else None

        def one(parameters: Any, buffers: Any, rows: Any) -> Tensor:
            state = dict(zip(layout.names, parameters, strict=True))
            state |= dict(zip(layout.buffers, buffers, strict=True))
            output: Tensor = functional_call(network, state, tuple(widened(rows, self._job.recipe.byte_inputs)))
            return output.float()

        parts = []
        batched = self._job.batched
        # Networks that draw random numbers even when they are used draw the same ones every time.
        with torch.no_grad(), traceable(batched), seeded(0) if self._job.draws else nullcontext():
            for part in torch.split(which, max(16, _ROWS_AT_ONCE // len(chosen)), dim=-1):
                gathered = [tensor[part] for tensor in inputs]
                if batched:
                    try:
                        parts.append(vmap(one, in_dims=(0, 0, own))(parameters, buffers, gathered))
                        continue
                    except RuntimeError:  # something that the network does only when it is used has no batched form
                        batched = False
                parts.append(self._one_by_one(one, parameters, buffers, gathered, own))
        return torch.cat(parts, dim=1)

    @staticmethod
    def _one_by_one(one: Any, parameters: Any, buffers: Any, rows: Any, own: int | None) -> Tensor:
        outputs = []
        for k in range(len(parameters[0])):
            mine = [tensor[k] for tensor in rows] if own == 0 else rows
            outputs.append(one([value[k] for value in parameters], [value[k] for value in buffers], mine))
        return torch.stack(outputs)
