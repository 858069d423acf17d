"""The fits of a study, one after another, the most telling first; each is kept before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from annvil.comparison.data_problem import DataProblem
from annvil.data.dataset import Dataset
from annvil.data.seeds import derived_seed
from annvil.data.splits import inner_splits, nested_subset
from annvil.kinds.pictures.contenders.picture_family import held_out
from annvil.kinds.pictures.images import Images, images_in_memory
from annvil.kinds.pictures.studies.first_layers import first_looks
from annvil.kinds.pictures.studies.operation_counts import count_graph
from annvil.kinds.pictures.studies.perturbation import disturbances, shrunk, shuffled
from annvil.kinds.pictures.studies.planning import (
    CONVOLUTIONAL,
    DENSE,
    PIXEL_VALUES,
    StudyPlan,
    effort_for,
    seconds_of_fit,
)
from annvil.kinds.pictures.studies.trials import Shelf, Trial, as_bytes
from annvil.models.contract import Contender, Context, Deadline, Fitted, Job, as_outputs
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
    shelf: Shelf
    deadline: Deadline
    tell: Callable[[str], None]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    # -- in the order of the study ---------------------------------------------------------------------------------

    def measure(self, transfer: Callable[[Study], None]) -> Iterator[str]:
        """Make the fits that are missing; yields the name of a part whenever it is done. ``transfer`` measures one."""
        whole = self.data
        self._warm_up()
        self._pair("whole-0", whole, self.train, 0, "on all pictures", shipped=True)
        yield "whole"
        small = self._small()
        if small is not whole:
            self._pair("small-0", small, self.train, 0, "on averaged pictures")
        mixed = self._shuffled(small)
        self._pair("shuffled-0", mixed, self.train, 0, "on shuffled pictures")
        yield "structure"
        sizes = self.plan.curve_sizes[::-1]
        for size in (*sizes[1::2], *sizes[::2]):  # so that a budget that ends early still leaves both ends of the curve
            rows = np.sort(nested_subset(whole, self.train, size, derived_seed(self.plan.seed, 2)))
            self._pair(f"curve-{size}", whole, rows, 0, f"on {size:,} pictures")
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
        self._pair(f"{original}-{again}", small, self.train, again, "once more")
        self._pair(f"shuffled-{again}", mixed, self.train, again, "on shuffled pictures once more")

    def _warm_up(self) -> None:
        """A few steps of both, so that no network's time and memory hold what is loaded once for both."""
        rows = nested_subset(self.data, self.train, WARM_UP_PICTURES, self.plan.seed)
        for name, contender in self.contenders.items():
            if self.shelf.trial(name, "whole-0") is None:
                effort = effort_for(self.plan, self.data, contender, len(rows))
                context = Context(WARM_UP_SECONDS)
                list(contender.fit(self.data, [self.job(self.data, "warm-up", rows, 0)], effort, context))

    def _small(self) -> Dataset[Images]:
        """Pictures small enough for a dense network to see every pixel of them."""
        if self.plan.side == 1:
            return self.data
        pixels = np.concatenate([shrunk(block, PIXEL_VALUES) for _, block in self.data.inputs.blocks()])
        return self._with_pixels(pixels)

    def _shuffled(self, small: Dataset[Images]) -> Dataset[Images]:
        return self._with_pixels(shuffled(small.inputs.pixels(), derived_seed(self.plan.seed, 3)))

    def _with_pixels(self, pixels: NDArray[np.uint8]) -> Dataset[Images]:
        form = structs.replace(self.data.inputs.form, height=pixels.shape[1], width=pixels.shape[2])
        return replace(self.data, inputs=images_in_memory(pixels, form))

    # -- one fit ---------------------------------------------------------------------------------------------------

    def _pair(
        self, key: str, data: Dataset[Images], rows: IntArray, again: int, words: str, *, shipped: bool = False
    ) -> None:
        if shipped or self.has_time(key, len(rows), words):
            for name in self.contenders:
                self.trial(name, key, data, rows, self.test, again, words, shipped=shipped)

    def has_time(self, key: str, n_rows: int, words: str) -> bool:
        """Whether both networks can be fitted, or have been; where not, that is noted. One alone tells nothing."""
        missing = [name for name in self.contenders if self.shelf.trial(name, key) is None]
        if self.deadline.left >= 0.8 * sum(self._expected(name, n_rows) for name in missing):
            return True
        for name in missing:
            self._leave_out(name, words)
        return False

    def trial(
        self,
        name: str,
        key: str,
        data: Dataset[Images],
        rows: IntArray,
        test: IntArray,
        again: int,
        words: str,
        *,
        shipped: bool = False,
    ) -> Trial | None:
        """One network: fitted on ``rows``, judged on ``test``, kept; None where there is no time for it.

        ``shipped`` asks for what it costs as a graph and for what disturbing the test pictures does.
        """
        known = self.shelf.trial(name, key)
        if known is not None:
            return known
        fitted, memory, cut_short = self.fit(name, key, data, rows, again, words)
        if fitted is None:
            return None
        outputs = as_outputs(fitted.predict(data.inputs.take(test)))
        trial = Trial(
            contender=name,
            key=key,
            n_train=len(rows),
            n_parameters=fitted.n_parameters,
            epochs=max((len(values) for values in fitted.history.values()), default=0),
            summary=fitted.summary,
            configuration=dict(fitted.configuration),
            fit_seconds=fitted.fit_seconds,
            memory_mb=memory,
            losses=as_bytes(data.task.shares_wrong(data.y[test], outputs)),
            cut_short=cut_short,
        )
        if shipped:
            trial = self._as_shipped(trial, fitted, data, test, outputs)
        self.shelf.keep(trial)
        return trial

    def fit(
        self, name: str, key: str, data: Dataset[Images], rows: IntArray, again: int, words: str
    ) -> tuple[Fitted | None, float | None, bool]:
        """The contender's own fit on ``rows`` within its part of the time; growth of memory; whether it was cut short.

        None, and noted, where its time ended: a training that was cut short counts for nothing but the first.
        """
        contender, is_first = self.contenders[name], key == "whole-0"
        self.tell(f"{PLAIN[name]} {words}")
        effort = effort_for(self.plan, data, contender, len(rows), self.configuration(name))
        context = Context(max(self.deadline.left, LEAST_SECONDS if is_first else 0.0))
        return_free_memory()
        with PeakMemory() as memory:
            fitted = next(iter(contender.fit(data, [self.job(data, key, rows, again)], effort, context)), None)
        if fitted is None or (fitted.cut_short and not is_first):
            self._leave_out(name, words)
            return None, None, False
        return fitted, memory.grown / 1e6, fitted.cut_short

    def _expected(self, name: str, n_rows: int) -> float:
        """Seconds of a fit: as planned, corrected by how long the first one took on this machine today."""
        contender, first = self.contenders[name], self.shelf.trial(name, "whole-0")
        planned = seconds_of_fit(self.plan, self.data, contender, n_rows)
        if first is None:
            return planned
        return planned * first.fit_seconds / seconds_of_fit(self.plan, self.data, contender, len(self.train))

    def configuration(self, name: str) -> Mapping[str, object] | None:
        """What the race chose, or else what the first fit of the study did."""
        if name in self.plan.configurations:
            return self.plan.configurations[name]
        first = self.shelf.trial(name, "whole-0")
        return None if first is None else first.configuration

    def job(self, data: Dataset[Images], key: str, rows: IntArray, again: int) -> Job:
        """The same for both networks: rows, seed, and the holdout that chooses and calibrates."""
        seed = derived_seed(self.plan.seed, 4, again)
        (split,) = inner_splits(data, rows, 1, seed)
        return replace(job := Job(key, rows, (split,), seed), inner=(held_out(data, job),))

    def _leave_out(self, name: str, words: str) -> None:
        self.left_out.setdefault(words, []).append(PLAIN[name].lower())

    # -- what is measured on a fit ---------------------------------------------------------------------------------

    def _as_shipped(
        self, trial: Trial, fitted: Fitted, data: Dataset[Images], test: IntArray, outputs: FloatArray
    ) -> Trial:
        graph, shipped = DataProblem(data).ship(fitted, test, outputs)
        look = first_looks(fitted, data.inputs.take(test[:DISTURBED_PICTURES]))
        cost, counted = shipped.cost, count_graph(graph)
        return msgspec.structs.replace(
            trial,
            latency_ms=None if cost is None else cost.latency_ms_p50,
            rows_per_second=None if cost is None else cost.rows_per_second,
            operations=counted.operations,
            shared_weights=counted.shared_weights,
            weights_at_every_place=counted.weights_at_every_place,
            weights_joining_all=counted.weights_joining_all,
            disturbed=self._disturbed(fitted, data, test),
            look=b"" if look is None else as_bytes(look),
            look_shape=() if look is None else look.shape,
        )

    def _disturbed(self, fitted: Fitted, data: Dataset[Images], test: IntArray) -> dict[str, bytes]:
        rows = test[:DISTURBED_PICTURES] if len(test) <= DISTURBED_PICTURES else self._some(test)
        pixels, form = data.inputs.pixels(rows), data.inputs.form
        found: dict[str, list[FloatArray]] = {"as they are": [self._loss(fitted, data, rows, pixels)]}
        for way in disturbances(form.height, form.width):
            found.setdefault(way.name, []).append(self._loss(fitted, data, rows, way.of(pixels)))
        return {name: as_bytes(np.mean(losses, axis=0)) for name, losses in found.items()}

    def _some(self, test: IntArray) -> IntArray:
        order = np.random.default_rng(derived_seed(self.plan.seed, 5)).permutation(len(test))
        return test[np.sort(order[:DISTURBED_PICTURES])]

    def disturbed_rows(self) -> IntArray:
        """Test rows that were disturbed."""
        return self.test if len(self.test) <= DISTURBED_PICTURES else self._some(self.test)

    @staticmethod
    def _loss(fitted: Fitted, data: Dataset[Images], rows: IntArray, pixels: NDArray[np.uint8]) -> FloatArray:
        outputs = as_outputs(fitted.predict(images_in_memory(pixels, data.inputs.form)))
        return data.task.shares_wrong(data.y[rows], outputs)


def return_free_memory() -> None:
    """Give memory that earlier fits have freed back to the system, so that the next one's growth is seen (glibc)."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
