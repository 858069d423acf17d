"""What all packs of a population share: the request, as it will be computed."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from annvil.data.batch_transform import Augment
from annvil.training.graph.convolutions import channels_last
from annvil.training.graph.recording import Recorded, record
from annvil.training.loop.prefetch import FileSource
from annvil.training.loop.step_spec import StepSpec
from annvil.training.recipe import Member


@dataclass(frozen=True)
class Probe:
    """What a step takes for one member: bytes beside its weights and moments, and work (`Trace.work`)."""

    scratch_bytes: int
    work: float


@dataclass(frozen=True, kw_only=True)
class TrainingJob(StepSpec):
    """A population to train: what its steps compute, and for whom.

    Attributes
    ----------
    given : the network as the caller gave it; in ``network`` noise was swapped for one that follows from a key
    targets, weights, members : as of `annvil.training.train_population`
    eager : whether steps are computed by PyTorch's autograd anew every time, otherwise recorded once
    moving : places of the buffers that a training step changes, such as batch norm's running statistics
    augment : changes training batches
    parts : of every batch; see `annvil.training.loop.gradients`
    work_of_row : of eager steps, which nobody can read it off; see `annvil.training.loop.bound_step.probe`
    otherwise : of a recorded job, the one whose steps are eager
    sources : for every input the file that its rows are read from, None where it is in memory
    """

    given: nn.Module
    targets: Tensor
    weights: Tensor | None
    members: tuple[Member, ...]
    eager: bool = False
    moving: tuple[int, ...] = ()
    augment: Augment | None = None
    parts: int = 1
    work_of_row: float = 0.0
    otherwise: TrainingJob | None = None
    sources: Sequence[FileSource | None] = ()
    _recorded: dict[tuple[int, int, bool], Recorded] = field(default_factory=dict)
    _probes: dict[int, Probe] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def changed(self, **changes: Any) -> TrainingJob:
        """The job with other choices; what was recorded for the old ones is forgotten."""
        return replace(self, **changes, _recorded={}, _probes={})

    def one_member(self) -> tuple[list[Tensor], list[Tensor]]:
        """Zeros for one member's parameters, and its buffers, as a step takes them: to record it with."""
        parameters = [torch.zeros(1, *form) for form in self.layout.shapes]
        return parameters, [buffer.unsqueeze(0) for buffer in self.layout.buffers_of(self.network)]

    def recorded(self, members: int, batch: int, training: bool, example: Sequence[Tensor]) -> Recorded:
        """What a step of packs of that size does; recorded when first asked for."""
        with self._lock:
            key = (members, batch, training)
            if key not in self._recorded:
                network = channels_last(copy.deepcopy(self.network).train(training))
                self._recorded[key] = record(self, network, training, example)
            return self._recorded[key]
