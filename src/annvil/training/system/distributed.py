"""Data parallel training on `torch.distributed`: every process takes its share of the rows of every batch.

    torchrun --nproc-per-node 2 script.py

Every process holds all data and runs the same script. The gradients of an update are summed over the processes, so the
result is that of one process with the same batches, up to the rounding of sums; the first process alone writes
checkpoints, decides when time is up and what is best, and tells the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from annvil.errors import MachineError, RequestError
from annvil.tasks.base import FloatArray

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Distributed:
    """One of ``world`` processes that train together, number ``rank``; made by `from_environment`.

    By itself it is one process that trains alone: then every question is its own to answer.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def from_environment(cls) -> Distributed:
        """Join the processes that torchrun has started; called again, the same group.

        gloo carries tensors of the processor, NCCL those of graphics cards where there are any.

        Raises
        ------
        RequestError
            When the script was not started by torchrun.
        """
        group = torch.distributed
        if not group.is_available():
            raise MachineError("This build of PyTorch has no torch.distributed; train without distributed=True.")
        if not group.is_initialized():
            if any(name not in os.environ for name in _NEEDED):
                raise RequestError(
                    "distributed=True trains in several processes, which torchrun starts: "
                    "torchrun --nproc-per-node 2 your_script.py (see torchrun --help for several machines)."
                )
            group.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        return cls(group.get_rank(), group.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and decides."""
        return self.rank == 0

    def begin(self, network: nn.Module, tensors: Iterable[Tensor]) -> None:
        """See that the network can be trained by several processes, and start all from the first one's ``tensors``.

        Raises
        ------
        RequestError
            When the network normalises by the rows of its batch, of which each process sees but a part.
        """
        if self.world == 1:
            return
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                raise RequestError(
                    f"{type(module).__name__} normalises by the rows of a batch, and of several processes each process "
                    "would know only its own rows: use nn.GroupNorm or nn.LayerNorm, or train in one process."
                )
        for tensor in tensors:
            self.from_first_(tensor)

    def sum_(self, flat: Tensor) -> Tensor:
        """The sum over all processes, in place; the same bits in each."""
        if self.world > 1:
            torch.distributed.all_reduce(flat)
        return flat

    def from_first_(self, tensor: Tensor) -> Tensor:
        """What the first process holds, in place."""
        if self.world > 1:
            torch.distributed.broadcast(tensor, 0)
        return tensor

    def agreed(self, values: FloatArray) -> FloatArray:
        """The first process' numbers."""
        if self.world == 1:
            return values
        return self.from_first_(torch.from_numpy(np.array(values, dtype=np.float64))).numpy()

    def ask_first(self, ask: Callable[[], bool]) -> bool:
        """The first process' answer; the others are not asked."""
        if self.world == 1:
            return ask()
        answer = torch.tensor([self.is_first and ask()], dtype=torch.uint8)
        return bool(self.from_first_(answer).item())

    def bytes_from_first(self, content: bytes | None) -> bytes | None:
        """The first process' bytes, or None if it has none."""
        if self.world == 1:
            return content
        length = torch.tensor([-1 if content is None or not self.is_first else len(content)])
        if int(self.from_first_(length)) < 0:
            return None
        mine = np.frombuffer(content, dtype=np.uint8).copy() if self.is_first and content is not None else None
        buffer = torch.from_numpy(mine) if mine is not None else torch.zeros(int(length), dtype=torch.uint8)
        return bytes(self.from_first_(buffer).numpy().data)

    def part(self, rows: int) -> slice:
        """Which of a step's ``rows`` this process takes: a contiguous share, give or take a row (maybe none)."""
        return slice(self.rank * rows // self.world, (self.rank + 1) * rows // self.world)

    def own_parts(self, order: Tensor, weights: Tensor, rows_of: Callable[[int], int]) -> list[tuple[Tensor, Tensor]]:
        """Rows and weights ``(members, rows, ...)`` of every step that are this process' part of it."""
        batches = []
        for step, (rows, own) in enumerate(zip(order.unbind(), weights.unbind(), strict=True)):
            part = self.part(rows_of(step))
            whole = part == slice(0, rows.shape[1])
            batches.append((rows, own) if whole else (rows[:, part], own[:, part]))
        return batches


ALONE = Distributed()
"""One process that trains alone."""
