"""When recorded steps are compared with PyTorch's during a run, and what changes outside their tensors meanwhile."""

from __future__ import annotations

from torch import nn

from annvil.training.compat.python_values import Look
from annvil.training.loop.bound_step import probe
from annvil.training.loop.checks import Checks
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.workers import WorkerPool
from annvil.training.losses.resolve import given_function


class RecordingCheck:
    """Finds out whether a population's recorded steps are PyTorch's.

    Parameters
    ----------
    original : the caller's own network, of which members' are copies, or None
    listens : whether the caller's code may run between two epochs, and change what steps read
    """

    def __init__(self, job: TrainingJob, pool: WorkerPool, original: nn.Module | None, listens: bool) -> None:
        self._pool, self._original, self._function = pool, original or job.given, given_function(job.loss)
        self._epochs = job.recipe.epochs
        self._checks = Checks(max(probe(job, pack.shape).work * len(pack.numbers) for pack in pool.packs))
        self._look = self._look_around() if listens else None

    def _look_around(self) -> Look:
        return Look(self._original, self._function)

    def outside_changed(self) -> bool:
        """Whether values of Python that steps read have changed since this was last asked; all networks follow them."""
        if self._look is None:
            return False
        before, self._look = self._look, self._look_around()
        places = self._look.all_changed(before)
        if places:
            self._pool.follow(self._original, places)
        return bool(places)

    def wrong(self, epoch: int, ended: bool, changed: bool) -> str:
        """How recorded steps differ from PyTorch's, as the end of a sentence about the network; "" where not known.

        Asked before the first epoch, when it has ended, before the second; then as often as it costs little, but
        always where values outside have ``changed``.
        """
        packs = {(pack.shape, len(pack.numbers)): pack for pack in reversed(self._pool.packs)}
        steps = max(pack.shape.steps for pack in self._pool.packs)
        first, second = epoch == 0 and not ended, ended or epoch == 1
        may = second or (self._look is not None and epoch > 1)
        if not (first or changed or (may and self._checks.due(steps * (self._epochs if second else epoch)))):
            return ""
        return next(filter(None, self._pool.check(epoch, packs.values(), self._checks.asked)), "")
