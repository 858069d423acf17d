"""Groups of rows dealt to folds so that classes and sizes come out even."""

from __future__ import annotations

import numpy as np

from annvil.tasks.base import FloatArray, IntArray

BUNDLES = 100
"""A group larger than 1/100 of a fold is balanced by itself (assumed)."""

MOST_ONE_BY_ONE = 5_000
"""Of more groups than this, small ones are balanced in bundles (assumed: each takes ten microseconds)."""


def place_in_class(labels: IntArray, generator: np.random.Generator) -> IntArray:
    """For each item its place (0, 1, …) in a random order of its class."""
    order = np.lexsort((generator.random(len(labels)), labels))
    starts = np.cumsum(np.bincount(labels)) - np.bincount(labels)
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(labels)) - starts[labels[order]]
    return place


def deal(labels: IntArray, folds: int, generator: np.random.Generator) -> IntArray:
    """A fold for each item: items in random order within classes, dealt in turn without a break between classes."""
    order = np.lexsort((generator.random(len(labels)), labels))
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return generator.permutation(folds)[fold]


def balance(
    groups: IntArray, sizes: IntArray, labels: IntArray, of_rows: IntArray, folds: int, generator: np.random.Generator
) -> IntArray:
    """A fold for each group where groups are large: the largest first, each to the fold that it makes least uneven.

    The idea of scikit-learn's `StratifiedGroupKFold`, whose steps take milliseconds each; here rows that stand alone,
    mostly all but a few, then fill up every class together.
    """
    bundle = np.arange(len(sizes))
    several = sizes > 1
    if several.sum() > MOST_ONE_BY_ONE:  # small ones are bundled by class
        small = several & (sizes * folds * BUNDLES <= sizes.sum())
        place = place_in_class(labels[small], generator)
        bundle[small] = len(sizes) + labels[small] * (folds * BUNDLES) + place % (folds * BUNDLES)
        _, bundle = np.unique(bundle, return_inverse=True)
    counts = np.bincount(of_rows)  # classes with fewer rows than folds go with the commonest
    stratum = np.where(counts[of_rows] < folds, int(counts.argmax()), of_rows)
    n_classes = int(stratum.max()) + 1
    held = np.bincount(bundle[groups] * n_classes + stratum, minlength=(int(bundle.max()) + 1) * n_classes)
    fold = _balanced(held.reshape(-1, n_classes), folds, generator)
    made = fold[bundle]
    # Few groups that are very uneven may leave a fold empty.
    return made if len(np.unique(made)) == folds else _by_size(sizes, folds, generator)


def _balanced(held: IntArray, folds: int, generator: np.random.Generator) -> IntArray:
    """A fold for each group of which ``held`` says the rows of each class ``(n_groups, n_classes)``."""
    weights = 1.0 / np.maximum(held.sum(axis=0), 1) ** 2
    fold, sizes = np.full(len(held), -1), held.sum(axis=1)
    have = np.zeros((folds, held.shape[1]))
    for group in np.lexsort((generator.random(len(held)), -sizes)):
        if sizes[group] == 1:
            break
        uneven = ((2 * have + held[group]) * (held[group] * weights)).sum(axis=1)  # by which the squares grow
        fold[group] = int((uneven + 1e-12 * generator.random(folds)).argmin())
        have[fold[group]] += held[group]
    for label in range(held.shape[1]):
        alone = generator.permutation(np.flatnonzero((fold < 0) & (held[:, label] == 1)))
        fold[alone] = _filling_up(have[:, label], len(alone), generator)
    return fold


def _filling_up(have: FloatArray, n: int, generator: np.random.Generator) -> IntArray:
    """Folds for ``n`` rows, so that all come as near to the same number as they can."""
    order = np.lexsort((generator.random(len(have)), have))
    steps = np.diff(np.append(have[order], np.inf)) * np.arange(1, len(have) + 1)
    filled = int(np.searchsorted(np.cumsum(steps), n, side="right")) + 1  # so many of the emptiest get some
    level = (n + have[order[:filled]].sum()) / filled
    got = np.floor(level) - have[order[:filled]]
    rest = n - int(got.sum())
    got[:rest] += 1
    return np.repeat(order[:filled], got.astype(np.int64))


def _by_size(sizes: IntArray, folds: int, generator: np.random.Generator) -> IntArray:
    """The largest group to the emptiest fold, and so on."""
    fold = np.empty(len(sizes), dtype=np.int64)
    loads = np.zeros(folds)
    for group in np.lexsort((generator.random(len(sizes)), -sizes)):
        fold[group] = int(loads.argmin())
        loads[fold[group]] += sizes[group]
    return fold
