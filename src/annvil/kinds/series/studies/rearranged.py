"""Series changed on purpose: their steps in another order, or only the last of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from msgspec.structs import replace as altered

from annvil.data.dataset import Dataset
from annvil.kinds.series.series import Series, Store, Values
from annvil.tasks.base import IntArray


def shuffled(dataset: Dataset[Series], seed: int, longest: int) -> Dataset[Series]:
    """The steps of all series in one order, drawn once for ``longest`` steps; a shorter series has its own of them."""
    order = np.random.default_rng(seed).permutation(longest)

    def in_order(values: Values) -> Values:
        return values[order[order < len(values)]]

    return _changed(dataset, in_order)


def last_part(dataset: Dataset[Series], share: float) -> Dataset[Series]:
    """Only the end of each series: that share of its steps, one at least."""
    return _changed(dataset, lambda values: values[-max(1, round(share * len(values))) :])


def last_steps(dataset: Dataset[Series], most: int) -> Dataset[Series]:
    """Of series that are longer only so many steps at the end."""
    return _changed(dataset, lambda values: values[-most:])


def _changed(dataset: Dataset[Series], change: Callable[[Values], Values]) -> Dataset[Series]:
    """``change`` takes the values ``(steps, channels)`` of one series."""
    inputs = dataset.inputs
    parts = [change(inputs.one(row).T) for row in range(inputs.n_rows)]
    lengths: IntArray = np.array([len(part) for part in parts], dtype=np.int64)
    form = altered(inputs.form, shortest=int(lengths.min()), longest=int(lengths.max()), layout="arrays", steps=())
    store = Store(
        np.ascontiguousarray(np.concatenate(parts)),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        form,
        inputs.names(),
        inputs.store.n_missing[inputs.index],
    )
    return replace(dataset, inputs=Series(store, np.arange(len(parts))), official_test=None)
