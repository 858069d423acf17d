"""What all packs of a population share: the request, as it will be computed."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from annvil.data.batch_transform import Augment
from annvil.training.graph.convolutions import channels_last
from annvil.training.graph.recording import Recorded, record
from annvil.training.loop.prefetch import FileSource, sources
from annvil.training.loop.stack import Layout
from annvil.training.loop.step_spec import StepSpec
from annvil.training.losses.named import Loss
from annvil.training.recipe import Member, Recipe


@dataclass(frozen=True)
class Probe:
    """What a step takes for one member: bytes beside its weights and moments, and work (`Trace.work`)."""

    scratch_bytes: int
    work: float


@dataclass(frozen=True)
class TrainingJob:
    """A population to train.

    ``network`` serves for its structure; its own weights are not used. It is what the caller gave (``given``) with its
    noise swapped for one that follows from a key. Without ``batched`` the network is not vmapped, and packs hold one
    member each. With ``eager`` its step is computed by PyTorch's autograd anew every time, otherwise recorded once.
    With ``draws`` the network draws from PyTorch's default generator, which is then seeded for every step. With
    ``bfloat16`` large products are rounded (see `annvil.training.graph.precision`). ``moving`` are the places of the
    buffers that a training step changes, such as batch norm's running statistics. ``augment`` changes training batches.
    """

    network: nn.Module
    given: nn.Module
    layout: Layout
    inputs: tuple[Tensor, ...]
    targets: Tensor
    weights: Tensor | None
    loss: Loss
    recipe: Recipe
    members: tuple[Member, ...]
    batched: bool = True
    eager: bool = False
    draws: bool = False
    bfloat16: bool = False
    moving: tuple[int, ...] = ()
    augment: Augment | None = None
    parts: int = 1  # of every batch; see `annvil.training.loop.micro_batches`
    work_of_row: float = 0.0  # of eager steps, which nobody can read it off; see `probe`
    _recorded: dict[tuple[int, int, bool], Recorded] = field(default_factory=dict)
    _probes: dict[int, Probe] = field(default_factory=dict)
    _sources: list[list[FileSource | None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def changed(self, **changes: Any) -> TrainingJob:
        """The job with other choices; what was recorded for the old ones is forgotten."""
        return replace(self, **changes, _recorded={}, _probes={})

    def recorded(self, members: int, batch: int, training: bool, example: Sequence[Tensor]) -> Recorded:
        """What a step of packs of that size does; recorded when first asked for."""
        with self._lock:
            key = (members, batch, training)
            if key not in self._recorded:
                network = channels_last(copy.deepcopy(self.network).train(training))
                self._recorded[key] = record(self.step, network, training, example)
            return self._recorded[key]

    @property
    def step(self) -> StepSpec:
        """What its steps compute."""
        return StepSpec(
            self.network,
            self.layout,
            len(self.inputs),
            self.loss,
            self.recipe.byte_inputs,
            self.batched,
            self.draws,
            self.bfloat16,
        )

    @property
    def sources(self) -> Sequence[FileSource | None]:
        """For every input the file that its rows are read from, None where it is in memory; found out once."""
        with self._lock:
            if not self._sources:
                self._sources.append(sources(self.inputs))
            return self._sources[0]
