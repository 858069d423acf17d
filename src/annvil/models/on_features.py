"""Contenders for tables on other kinds of data: each item is a row of features, and what follows is the table's own.

A network that looks at the raw data itself is only worth its cost where it beats these. Features are
arithmetic without anything learnt, so they are made once for all jobs, and a member writes them into its graph in front
of the table's member.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import Column, Field, Table
from annvil.models.contract import BaseContender, Contender, Family
from annvil.models.jobs import Context, Effort, Job, Rung, Shape
from annvil.models.ladder import ladder_of
from annvil.models.measurement import Stopwatch
from annvil.models.members import BaseMember, Fitted, Member
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray, IntArray


class Features(Protocol):
    """Items of one form as rows of numbers."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""

    @property
    def at_once(self) -> int:
        """Values of the inputs that are turned into features together."""

    def of(self, block: Any, /) -> FloatArray:
        """What ``blocks`` of the inputs gives → float64 ``(n, len(names))``."""

    def write(self, graph: Graph, /, *raw: Any, **named: Any) -> Value:
        """The same as nodes, of what the form enters."""

    def describe(self) -> str:
        """A sentence for people."""

    @property
    def seconds_per_value(self) -> float:
        """Processor time for one value of an item (measured on one core, erring slow)."""


Choice = Callable[[Any, int], Features]
"""Chooses the features for inputs of a form, for a data set of so many of them."""

ROWS_AT_ONCE = 4096
"""Items in one pass of `predict` (assumed)."""


def table_of(inputs: Any, features: Features) -> Table:
    """The features of all items, one column each; columns are contiguous."""
    names = features.names
    values = np.empty((inputs.n_rows, len(names)), order="F")
    for rows, block in inputs.blocks(features.at_once):
        values[rows] = features.of(block)
    columns = (Column(Field(name, "number"), values[:, place]) for place, name in enumerate(names))
    return Table(tuple(columns), inputs.n_rows)


@dataclass(frozen=True)
class OnFeaturesMember(BaseMember):
    """A member for tables behind features."""

    features: Features
    inner: Member

    def predict(self, inputs: Any) -> FloatArray:
        starts = range(0, max(inputs.n_rows, 1), ROWS_AT_ONCE)
        tables = (table_of(inputs.take(slice(start, start + ROWS_AT_ONCE)), self.features) for start in starts)
        return np.concatenate([self.inner.predict(table) for table in tables])

    def write(self, graph: Graph, *raw: Value) -> Value:
        """Features as ``numbers``; there are no texts, and no node asks for them: an ONNX name left empty."""
        return self.inner.write(graph, self.features.write(graph, *raw), "")

    def describe_preparation(self) -> tuple[str, ...]:
        return (self.features.describe(), *self.inner.describe_preparation())

    @property
    def n_parameters(self) -> int:
        """Those of the member for tables: features are not learnt."""
        return self.inner.n_parameters


def _never(shape: Shape) -> str | None:
    return None


class OnFeatures(BaseContender):
    """A contender for tables, on features of another kind of data.

    Parameters
    ----------
    inner : the contender for tables
    name, title : of this contender
    choose : the features; they hang on the form and the size of the data set, not on the job
    central : as in `Traits`; what the inner contender is among those for tables says nothing here
    scaled : whether the features have one scale already
    refuses : why there are no such features of a form, or None
    """

    def __init__(
        self,
        inner: Contender,
        name: str,
        title: str,
        choose: Choice,
        *,
        central: bool = False,
        scaled: bool = False,
        refuses: Callable[[Shape], str | None] = _never,
    ) -> None:
        self.inner, self.name, self.title, self._choose, self._refuses = inner, name, title, choose, refuses
        self.family: Family = inner.family
        scales = inner.traits.scales and not scaled
        self.traits = replace(  # explainable by nobody: features have no names of the user's
            inner.traits, scales=scales, shares_fits_with=None, central=central, explainable=False
        )

    def declines(self, shape: Shape) -> str | None:
        """What has no such features, and whatever the inner contender declines."""
        return self._refuses(shape) or self.inner.declines(self._inner_shape(shape, self._features(shape)))

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """The inner contender's, with the time that the features take: they are made to fit and to score."""
        features = self._features(shape)
        each = shape.form.n_values * features.seconds_per_value  # type: ignore[union-attr]
        inner = self.inner.ladder(self._inner_shape(shape, features))
        rows = [min(shape.n_rows, rung.effort.rows or shape.n_rows) for rung in inner]
        return ladder_of(
            replace(rung, core_seconds=rung.core_seconds + n * each) for rung, n in zip(inner, rows, strict=True)
        )

    def _features(self, shape: Shape) -> Features:
        return self._choose(shape.form, shape.n_rows)

    @staticmethod
    def _inner_shape(shape: Shape, features: Features) -> Shape:
        return replace(shape, n_numbers=len(features.names), form=None)

    def fit(self, dataset: Dataset[Any], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """The inner contender's results on the features, which are made once, and only of rows that jobs use."""
        running = context.begin()
        if running.deadline.passed or not jobs:
            return
        watch = Stopwatch()
        features = self._choose(dataset.inputs.form, dataset.n_rows)
        rows = np.unique(np.concatenate([job.rows for job in jobs]))
        chosen: Dataset[Any] = dataset.take(rows)
        table = replace(chosen, inputs=table_of(chosen.inputs, features))
        seconds, core_seconds = watch.seconds / len(jobs), watch.core_seconds / len(jobs)
        inner_jobs = [_renumbered(job, rows) for job in jobs]
        context = replace(context, seconds_left=running.deadline.left)
        for job, fitted in zip(jobs, self.inner.fit(table, inner_jobs, effort, context), strict=False):
            yield replace(
                fitted,
                contender=self.name,
                job=job,
                members=tuple(OnFeaturesMember(features, member) for member in fitted.members),
                fit_seconds=fitted.fit_seconds + seconds,
                core_seconds=fitted.core_seconds + core_seconds,
            )


def _renumbered(job: Job, rows: IntArray) -> Job:
    """The job with row numbers counted among ``rows``, which are sorted."""
    inner = (Split(np.searchsorted(rows, split.train), np.searchsorted(rows, split.test)) for split in job.inner)
    return replace(job, rows=np.searchsorted(rows, job.rows), inner=tuple(inner))
