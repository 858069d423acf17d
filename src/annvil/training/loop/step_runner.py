"""What computes the gradient of a batch, or of a part of one, in memory of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from annvil.data.batch_transform import Moment
from annvil.training.compat.eager import OwnNetwork
from annvil.training.loop.batches import mix
from annvil.training.loop.bound_step import BoundStep, Workspace, bind_step
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.prefetch import Fetcher
from annvil.training.recipe import Member
from annvil.training.system.noise import Noise


class StepRunner:
    """Runs the step of ``members`` on one thread: rows go in, `gradients` and `losses` come out.

    Parameters
    ----------
    parameters : flat; several runners may look at the same
    buffers : those of the members, ``(members, ...)`` each; a step changes the moving ones
    workspace : where batches, the gradient and everything between lie
    steps : of an epoch
    rank, part : of the process among those that train together, and of the runner among those that share a batch. Both
        are part of every seed, so that no two of them meet the same noise or augmentation.
    fetcher : brings the rows of inputs that lie in files
    """

    def __init__(
        self,
        job: TrainingJob,
        members: Sequence[Member],
        parameters: Tensor,
        buffers: list[Tensor],
        workspace: Workspace,
        steps: int,
        rank: int = 0,
        part: int = 0,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.job, self.buffers, self.workspace = job, buffers, workspace
        self.gradients = workspace.tensor("gradients", tuple(parameters.shape))
        self.losses = torch.zeros(len(members))
        self.bound: dict[int, BoundStep] = {}  # by rows of a batch
        self._checks: dict[int, BoundStep] = {}
        self._parameters, self._fetcher, self._steps, self._rank = parameters, fetcher, steps, rank
        self._network = OwnNetwork()
        # Nothing for the first process' first runner: alone, a member is seeded by its own seed.
        place = (rank, part) if part else (rank,) if rank else ()
        self._noise = Noise(job.layout, buffers, members, place)
        self._seeds = tuple(mix(member.seed, *place) if place else member.seed for member in members)
        self._seed_of_draws = members[0].seed
        smoothing = [member.label_smoothing for member in members]
        self._smoothing = torch.tensor(smoothing).view(-1, 1, 1) if any(smoothing) else None

    def set_noise(self, epoch: int, step: int, factor: float) -> None:
        """New keys for dropout and its kin; their rates times ``factor``."""
        self._noise.set(epoch * self._steps + step, factor)

    def compute(self, epoch: int, step: int, rows: Tensor, weights: Tensor) -> None:
        """The gradient and losses of ``rows (members, batch)``, whose ``weights`` sum to 1 for each member."""
        n_rows = rows.shape[1]
        if n_rows not in self.bound:
            self.bound[n_rows] = self._bind(n_rows, self._parameters, self._views(self.gradients))
        bound = self.bound[n_rows]
        moment = Moment(self._seeds, epoch, step, self.job.recipe.epochs)
        bound.load(self.job, rows, weights, self._smoothing, moment, self._fetcher)
        bound.run(self._seed(epoch * self._steps + step))

    def validate(self, flat: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """The losses of the weights ``flat`` (always the same array), without augmentation and smoothing."""
        n_rows = rows.shape[1]
        if n_rows not in self._checks:
            self._checks[n_rows] = self._bind(n_rows, flat)
        bound = self._checks[n_rows]
        bound.load(self.job, rows, weights, None, fetcher=self._fetcher)
        bound.run(self._seed(-1))
        return self.losses

    def _bind(self, n_rows: int, flat: Tensor, gradients: Sequence[Tensor] = ()) -> BoundStep:
        parameters = self._views(flat)
        return bind_step(
            self.job, parameters, self.buffers, n_rows, self.workspace, self.losses, gradients, own=self._network
        )

    def _views(self, flat: Tensor) -> list[Tensor]:
        return self.job.layout.views(flat, len(self.losses))

    def _seed(self, step: int) -> int | None:
        """What a step of a network that draws from PyTorch's generator is seeded with; -1: of the validation."""
        return mix(self._seed_of_draws, step, 1 + self._rank) if self.job.draws else None
