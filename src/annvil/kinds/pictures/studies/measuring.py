"""The fits of a study, one after another, the most telling first; each is kept before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from annvil.comparison.data_problem import DataProblem
from annvil.comparison.studies.shelf import Shelf, as_bytes
from annvil.data.dataset import Dataset
from annvil.data.seeds import derived_seed
from annvil.data.splits import inner_splits, nested_subset
from annvil.kinds.pictures.contenders.picture_family import held_out
from annvil.kinds.pictures.images import Images, images_in_memory
from annvil.kinds.pictures.studies.first_layers import first_looks
from annvil.kinds.pictures.studies.perturbation import AS_THEY_ARE, disturbances, shrunk, shuffled
from annvil.kinds.pictures.studies.planning import (
    CONVOLUTIONAL,
    DENSE,
    PIXEL_VALUES,
    StudyPlan,
    effort_for,
    seconds_of_fit,
)
from annvil.kinds.pictures.studies.trials import Trial, trial_of, what_ships
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Deadline, Job
from annvil.models.members import Fitted, as_outputs
from annvil.system.memory import PeakMemory
from annvil.tasks.base import FloatArray, IntArray

DISTURBED_PICTURES = 1_000
"""Test pictures that are shifted and turned at most (assumed: a score of 90% is then known to within two points)."""

WARM_UP_PICTURES, WARM_UP_SECONDS = 64, 0.5
"""Of a first training that is stopped and thrown away (assumed)."""

LEAST_SECONDS = 3.0
"""The first trainings get this, whatever the budget: without them there is no table."""

PLAIN = {DENSE: "Dense network", CONVOLUTIONAL: "Convolutional network"}
"""The two in the words of the table."""


FIRST = "whole-0"
"""The key of the fit that there must be."""


@dataclass(frozen=True)
class Part:
    """A fit that both networks get: its key, the pictures and the rows of them that are learnt from, what that is in
    words, and which training of it this is."""

    key: str
    data: Dataset[Images]
    rows: IntArray
    words: str = ""
    again: int = 0


@dataclass
class Study:
    """What the fits share.

    Attributes
    ----------
    data : the pictures taken, row numbers from 0
    train, test : row numbers into them
    contenders : the two by name, the dense one first
    left_out : fits for which there was no time, in words → networks
    """

    data: Dataset[Images]
    train: IntArray
    test: IntArray
    contenders: Mapping[str, Contender]
    plan: StudyPlan
    shelf: Shelf[Trial]
    deadline: Deadline
    tell: Callable[[str], None]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    # -- in the order of the study ---------------------------------------------------------------------------------

    def measure(self, transfer: Callable[[Study], None]) -> Iterator[str]:
        """Make the fits that are missing; yields the name of a part whenever it is done. ``transfer`` measures one."""
        whole = self.data
        self._warm_up()
        self._both(Part("whole-0", whole, self.train, "on all pictures"))
        yield "whole"
        small = self._small()
        if small is not whole:
            self._both(Part("small-0", small, self.train, "on averaged pictures"))
        mixed = self._with_pixels(shuffled(small.inputs.pixels(), derived_seed(self.plan.seed, 3)))
        self._both(Part("shuffled-0", mixed, self.train, "on shuffled pictures"))
        yield "structure"
        sizes = self.plan.curve_sizes[::-1]
        for size in (*sizes[1::2], *sizes[::2]):  # so that a budget that ends early still leaves both ends of the curve
            rows = np.sort(nested_subset(whole, self.train, size, derived_seed(self.plan.seed, 2)))
            self._both(Part(f"curve-{size}", whole, rows, f"on {size:,} pictures"))
        yield "curve"
        self._again(1, small, mixed)
        yield "trainings"
        if self.plan.per_class:
            transfer(self)
            yield "transfer"
        for again in range(2, self.plan.trainings):
            self._again(again, small, mixed)
        yield "all"

    def _again(self, again: int, small: Dataset[Images], mixed: Dataset[Images]) -> None:
        original = "whole" if small is self.data else "small"
        self._both(Part(f"{original}-{again}", small, self.train, "once more", again))
        self._both(Part(f"shuffled-{again}", mixed, self.train, "on shuffled pictures once more", again))

    def _warm_up(self) -> None:
        """A few steps of both, so that no network's time and memory hold what is loaded once for both."""
        rows = nested_subset(self.data, self.train, WARM_UP_PICTURES, self.plan.seed)
        for name, contender in self.contenders.items():
            if self.shelf.trial(name, FIRST) is None:
                effort = effort_for(self.plan, self.data, contender, len(rows))
                job = self.job(Part("warm-up", self.data, rows))
                list(contender.fit(self.data, [job], effort, Context(WARM_UP_SECONDS)))

    def _small(self) -> Dataset[Images]:
        """Pictures small enough for a dense network to see every pixel of them."""
        if self.plan.side == 1:
            return self.data
        return self._with_pixels(
            np.concatenate([shrunk(block, PIXEL_VALUES) for _, block in self.data.inputs.blocks()])
        )

    def _with_pixels(self, pixels: NDArray[np.uint8]) -> Dataset[Images]:
        form = structs.replace(self.data.inputs.form, height=pixels.shape[1], width=pixels.shape[2])
        return replace(self.data, inputs=images_in_memory(pixels, form))

    # -- one fit ---------------------------------------------------------------------------------------------------

    def _both(self, part: Part) -> None:
        if part.key == FIRST or self.has_time(part):
            for name in self.contenders:
                self.trial(name, part, self.test)

    def has_time(self, part: Part) -> bool:
        """Whether both networks can be fitted, or have been; where not, that is noted. One alone tells nothing."""
        missing = [name for name in self.contenders if self.shelf.trial(name, part.key) is None]
        if self.deadline.left >= 0.8 * sum(self._expected(name, len(part.rows)) for name in missing):
            return True
        for name in missing:
            self._leave_out(name, part)
        return False

    def trial(self, name: str, part: Part, test: IntArray) -> None:
        """One network: fitted, judged on ``test`` and kept, unless it has been or there is no time for it.

        Of the first part it is also kept what it costs as a graph and what disturbing the test pictures does.
        """
        if self.shelf.trial(name, part.key) is not None:
            return
        fitted, memory = self.fit(name, part)
        if fitted is None:
            return
        data = part.data
        outputs = as_outputs(fitted.predict(data.inputs.take(test)))
        trial = trial_of(fitted, name, part.key, data.task.shares_wrong(data.y[test], outputs))
        trial = structs.replace(trial, memory_mb=memory)
        self.shelf.keep(self._as_shipped(trial, fitted, outputs) if part.key == FIRST else trial)

    def fit(self, name: str, part: Part) -> tuple[Fitted | None, float | None]:
        """The contender's own fit within its part of the time, and how much memory grew in MB.

        None, and noted, where its time ended: a training that was cut short counts for nothing but the first.
        """
        contender, is_first = self.contenders[name], part.key == FIRST
        self.tell(f"{PLAIN[name]} {part.words}")
        effort = effort_for(self.plan, part.data, contender, len(part.rows), self.configuration(name))
        context = Context(max(self.deadline.left, LEAST_SECONDS if is_first else 0.0))
        return_free_memory()
        with PeakMemory() as memory:
            fitted = next(iter(contender.fit(part.data, [self.job(part)], effort, context)), None)
        if fitted is None or (fitted.cut_short and not is_first):
            self._leave_out(name, part)
            return None, None
        return fitted, memory.grown / 1e6

    def _expected(self, name: str, n_rows: int) -> float:
        """Seconds of a fit: as planned, corrected by how long the first one took on this machine today."""
        contender, first = self.contenders[name], self.shelf.trial(name, FIRST)
        planned = seconds_of_fit(self.plan, self.data, contender, n_rows)
        if first is None:
            return planned
        return planned * first.fit_seconds / seconds_of_fit(self.plan, self.data, contender, len(self.train))

    def configuration(self, name: str) -> Mapping[str, object] | None:
        """What the race chose, or else what the first fit of the study did."""
        first = self.shelf.trial(name, FIRST)
        return self.plan.configurations.get(name, None if first is None else first.configuration)

    def job(self, part: Part) -> Job:
        """The same for both networks: rows, seed, and the holdout that chooses and calibrates."""
        seed = derived_seed(self.plan.seed, 4, part.again)
        (split,) = inner_splits(part.data, part.rows, 1, seed)
        return replace(job := Job(part.key, part.rows, (split,), seed), inner=(held_out(part.data, job),))

    def _leave_out(self, name: str, part: Part) -> None:
        self.left_out.setdefault(part.words, []).append(PLAIN[name].lower())

    # -- what is measured on a fit ---------------------------------------------------------------------------------

    def _as_shipped(self, trial: Trial, fitted: Fitted, outputs: FloatArray) -> Trial:
        graph, shipped = DataProblem(self.data).ship(fitted, self.test, outputs)
        look = first_looks(fitted, self.data.inputs.take(self.test[:DISTURBED_PICTURES]))
        return structs.replace(
            trial,
            **what_ships(shipped.cost, graph),
            disturbed=self._disturbed(fitted),
            look=b"" if look is None else as_bytes(look),
            look_shape=() if look is None else look.shape,
        )

    def _disturbed(self, fitted: Fitted) -> dict[str, bytes]:
        rows, form = self.disturbed_rows(), self.data.inputs.form
        pixels, y = self.data.inputs.pixels(rows), self.data.y[rows]
        found: dict[str, list[FloatArray]] = {}
        for way in (AS_THEY_ARE, *disturbances(form.height, form.width)):
            outputs = as_outputs(fitted.predict(images_in_memory(way.of(pixels), form)))
            found.setdefault(way.name, []).append(self.data.task.shares_wrong(y, outputs))
        return {name: as_bytes(np.mean(losses, axis=0)) for name, losses in found.items()}

    def disturbed_rows(self) -> IntArray:
        """Test rows that are disturbed."""
        if len(self.test) <= DISTURBED_PICTURES:
            return self.test
        order = np.random.default_rng(derived_seed(self.plan.seed, 5)).permutation(len(self.test))
        return self.test[np.sort(order[:DISTURBED_PICTURES])]


def return_free_memory() -> None:
    """Give memory that earlier fits have freed back to the system, so that the next one's growth is seen (glibc)."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
