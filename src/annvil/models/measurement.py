"""Contenders that make one fit after another: time taken, threads allowed, and the loop itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.models.jobs import Context, Job, Running
from annvil.models.members import Fitted
from annvil.system.processors import bounded_threads


@dataclass
class Stopwatch:
    """Wall clock and processor seconds since it was made; the latter of the whole process, all threads."""

    _wall: float = field(default_factory=time.perf_counter)
    _cores: float = field(default_factory=time.process_time)

    @property
    def seconds(self) -> float:
        """Wall clock."""
        return time.perf_counter() - self._wall

    @property
    def core_seconds(self) -> float:
        """Processor time."""
        return time.process_time() - self._cores


SMALL_VALUES = 1_000_000
"""Rows times columns up to which one thread is enough (measured: two gain nothing there)."""


HOPELESS = 0.8
"""A fit is not begun with less than this part of what the quickest of the call took (assumed)."""


def threads_for(jobs: Sequence[Job], dataset: Dataset[Inputs], asked: int) -> int:
    """Threads for fits one after another: what was asked for, else one for small data and all (0) for large."""
    if asked:
        return asked
    n_rows = max((len(job.rows) for job in jobs), default=0)
    n_values = dataset.inputs.n_values + dataset.inputs.n_texts
    return 1 if n_rows * n_values <= SMALL_VALUES else 0


def one_by_one(
    dataset: Dataset[Inputs], jobs: Sequence[Job], context: Context, fit_job: Callable[[Job, Running], Fitted | None]
) -> Iterator[Fitted]:
    """The fit of each job as it is ready, up to the first that ``fit_job`` has none for because time is over.

    One that would be cut anyway is not begun: what some contenders do at once, as all distances to some rows, takes as
    long as it takes, and the time is others'.
    """
    running = context.begin()
    quickest = 0.0
    with bounded_threads(threads_for(jobs, dataset, running.threads)):
        for job in jobs:
            left = running.deadline.left
            if left < HOPELESS * quickest:
                return
            fitted = fit_job(job, running)
            if fitted is None:
                return
            yield fitted
            took = left - running.deadline.left  # with the scoring by whoever asked
            quickest = min(took, quickest or took)
