"""Contenders for tables on pictures: every picture becomes a row of features, and what follows is the table's own.

A convolutional network is only worth its cost where it beats these. Features are arithmetic without anything learnt,
so they are made once for all jobs, and a member writes them into its graph in front of the table's member.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.table import Column, Field, Table
from annvil.kinds.pictures.contenders.features import Choice, Features
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images
from annvil.models.contract import (
    BaseContender,
    BaseMember,
    Contender,
    Context,
    Effort,
    Family,
    Fitted,
    Job,
    Member,
    Rung,
    Shape,
    Split,
)
from annvil.models.ladder import ladder_of
from annvil.models.measurement import Stopwatch
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray, IntArray

BLOCK_BYTES = 2**19
"""Pixels turned into features at a time: edges in eight directions in float64 are 64 times as many bytes."""

ROWS_AT_ONCE = 4096
"""Pictures in one pass of `predict` (assumed)."""


def table_of(images: Images, features: Features) -> Table:
    """The features of all pictures, one column each; columns are contiguous."""
    names = features.names
    values = np.empty((images.n_rows, len(names)), order="F")
    for rows, pixels in images.blocks(BLOCK_BYTES):
        values[rows] = features.of(pixels)
    columns = (Column(Field(name, "number"), values[:, place]) for place, name in enumerate(names))
    return Table(tuple(columns), images.n_rows)


@dataclass(frozen=True)
class OnPixelsMember(BaseMember):
    """A member for tables behind the features of pictures."""

    features: Features
    inner: Member

    def predict(self, inputs: Images) -> FloatArray:
        starts = range(0, max(inputs.n_rows, 1), ROWS_AT_ONCE)
        tables = (table_of(inputs.take(slice(start, start + ROWS_AT_ONCE)), self.features) for start in starts)
        return np.concatenate([self.inner.predict(table) for table in tables])

    def write(self, graph: Graph, pixels: Value) -> Value:
        """Features as ``numbers``; there are no texts, and no node asks for them: an ONNX name left empty."""
        return self.inner.write(graph, self.features.write(graph, pixels), "")

    def describe_preparation(self) -> tuple[str, ...]:
        return (self.features.describe(), *self.inner.describe_preparation())

    @property
    def n_parameters(self) -> int:
        """Those of the member for tables: features are not learnt."""
        return self.inner.n_parameters


class OnPixels(BaseContender):
    """A contender for tables, on features of pictures.

    Parameters
    ----------
    inner : the contender for tables
    name, title : of this contender
    choose : the features; they hang on the form and the size of the data set, not on the job
    central : as in `Traits`; what the inner contender is among those for tables says nothing here
    """

    def __init__(self, inner: Contender, name: str, title: str, choose: Choice, *, central: bool = False) -> None:
        self.inner, self.name, self.title, self._choose = inner, name, title, choose
        self.family: Family = inner.family
        # Pixels have one scale already.
        self.traits = replace(inner.traits, scales=False, shares_fits_with=None, central=central)

    def declines(self, shape: Shape) -> str | None:
        """Pictures of less than 3 × 3 pixels, and whatever the inner contender declines."""
        if not isinstance(shape.form, PictureForm) or min(shape.form.height, shape.form.width) < 3:
            return "The pictures are smaller than 3 × 3 pixels."
        return self.inner.declines(self._inner_shape(shape, self._choose(shape.form, shape.n_rows)))

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """The inner contender's, with the time that the features take: they are made to fit and to score."""
        assert isinstance(shape.form, PictureForm)
        features = self._choose(shape.form, shape.n_rows)
        each = shape.form.n_values * features.seconds_per_value
        inner = self.inner.ladder(self._inner_shape(shape, features))
        rows = [min(shape.n_rows, rung.effort.rows or shape.n_rows) for rung in inner]
        return ladder_of(
            replace(rung, core_seconds=rung.core_seconds + n * each) for rung, n in zip(inner, rows, strict=True)
        )

    @staticmethod
    def _inner_shape(shape: Shape, features: Features) -> Shape:
        return replace(shape, n_numbers=len(features.names), form=None)

    def fit(self, dataset: Dataset[Images], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
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
                members=tuple(OnPixelsMember(features, member) for member in fitted.members),
                fit_seconds=fitted.fit_seconds + seconds,
                core_seconds=fitted.core_seconds + core_seconds,
            )


def _renumbered(job: Job, rows: IntArray) -> Job:
    """The job with row numbers counted among ``rows``, which are sorted."""
    inner = (Split(np.searchsorted(rows, split.train), np.searchsorted(rows, split.test)) for split in job.inner)
    return replace(job, rows=np.searchsorted(rows, job.rows), inner=tuple(inner))
