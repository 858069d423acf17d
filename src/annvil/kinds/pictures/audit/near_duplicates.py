"""Pictures that show the same: copies, other compressions, other sizes, brighter or darker ones.

Two pictures are near-duplicates if their thumbnails of 32 × 32 correlate by `ALIKE`. Candidates come from a perceptual
hash: 64 low frequencies of the thumbnail's cosine transform, one bit each (Zauner 2010, "Implementation and
Benchmarking of Perceptual Image Hash Functions", calls it pHash). Departure: a bit says whether the frequency is above
the median *of the data set*, not of the picture, so that all bits stay informative where pictures are much alike
(digits on black). Pictures that agree in all bits of one of several bands are compared. Shifted, cropped, turned and
mirrored copies are not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from annvil.data.groups import number_groups
from annvil.kinds.pictures.images import Images
from annvil.tasks.base import IntArray

ALIKE = 0.995
"""Correlation of thumbnails from which pictures count as near-duplicates. Measured: in a set of brain scans collected
from the web, 77 of 253 have a partner above it and 79 above .99; of 20,000 handwritten digits none has (12 above .99),
of 20,000 photographs of clothes 27 (265)."""

VERSION = 1
"""Raised whenever other pictures would be found alike."""

LARGEST_SHARE = 0.2
"""Where near-duplicates would chain more of the pictures than this into one group, only exact copies are grouped."""

_SMALL = 4096  # up to so many pictures all pairs are compared (measured: 1 s)
_SIDE = 16  # of thumbnails that are kept for all pictures: 256 bytes each
_FINE = 32
_ROUGHLY = 0.98  # correlation of small thumbnails that earns a look at the large ones (measured: loses no pair)
_BANDS = 20  # of 200,000 pictures, these find 99% of pairs whose hashes differ in 5 bits and 84% of those with 8
_FLIPPED = 16  # bits of the hash in which candidates may differ (measured on real near-duplicates: up to 7)
_NEIGHBOURS = 24  # compared within a band that too many share

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """Near-duplicates: rows ``first < second`` and the correlation of their thumbnails."""

    first: IntArray
    second: IntArray
    likeness: NDArray[np.float64]


def near_groups(images: Images) -> IntArray:
    """Equal numbers for pictures that show the same, int64 ``(n_rows,)``, numbered by first appearance."""
    exact = number_groups(images.store.digests[images.index])
    pairs = near_pairs(images)
    if not len(pairs.first):
        return exact
    groups = _linked(exact, pairs)
    if np.bincount(groups).max() > max(LARGEST_SHARE * len(groups), np.bincount(exact).max()):
        return exact
    return groups


def _linked(exact: IntArray, pairs: Pairs) -> IntArray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = int(exact.max()) + 1
    links = np.ones(len(pairs.first), dtype=bool)
    graph = coo_array((links, (exact[pairs.first], exact[pairs.second])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    return number_groups(component[exact])


def near_pairs(images: Images) -> Pairs:
    """Pairs of pictures with different pixels that correlate by `ALIKE`; of exact copies the first stands for all."""
    digests = images.store.digests[images.index]
    _, distinct = np.unique(digests, return_index=True)
    distinct = np.sort(distinct)
    chosen = images.take(distinct)
    small = thumbnails(chosen, min(_SIDE, _most(images)))
    first, second = _candidates(small)
    first, second, likeness = _verified(chosen, first, second)
    return Pairs(distinct[first], distinct[second], likeness)


def _most(images: Images) -> int:
    return max(2, min(images.form.height, images.form.width))


def thumbnails(images: Images, side: int) -> NDArray[np.uint8]:
    """Grey thumbnails uint8 ``(n_rows, side × side)``, each value the mean of its area."""
    down, across = _areas(images.form.height, side), _areas(images.form.width, side)
    out = np.empty((images.n_rows, side * side), dtype=np.uint8)
    for rows, pixels in images.blocks():
        grey = pixels[..., 0].astype(np.float32)
        for channel in range(1, pixels.shape[3]):  # ten times faster than a mean over the last axis
            grey += pixels[..., channel]
        shrunk = np.matmul(down, grey @ across.T) / pixels.shape[3]
        out[rows] = np.rint(shrunk).astype(np.uint8).reshape(len(shrunk), -1)
    return out


@cache
def _areas(length: int, side: int) -> Matrix:
    """Weights ``(side, length)`` of the mean over each of ``side`` equal stretches, parts of pixels counted as such."""
    edges = np.linspace(0, length, side + 1)
    pixel = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights = np.clip(overlap, 0, None)
    areas: Matrix = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return areas


def _standard(thumbs: NDArray[np.uint8]) -> Matrix:
    """Each thumbnail with mean 0 and length 1, so that products are correlations; flat ones become zero."""
    values = thumbs.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    values /= np.maximum(lengths, 1e-6)
    return values


def _candidates(small: NDArray[np.uint8]) -> tuple[IntArray, IntArray]:
    """Pairs that may be alike, by small thumbnails."""
    found = list(_all_pairs(small) if len(small) <= _SMALL else _hashed_pairs(small))
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    codes = np.unique(np.concatenate(found))
    return codes // len(small), codes % len(small)


def _all_pairs(small: NDArray[np.uint8], block: int = 1024) -> Iterator[IntArray]:
    standard = _standard(small)
    n = len(small)
    for start in range(0, n, block):
        likeness = standard[start : start + block] @ standard[start:].T
        first, second = np.nonzero(np.triu(likeness >= _ROUGHLY, k=1))
        yield (first + start) * n + second + start


def _hashed_pairs(small: NDArray[np.uint8]) -> Iterator[IntArray]:
    """Pairs that agree in a band of the hash, and whose small thumbnails correlate."""
    bits = hash_bits(small)
    codes = bits @ (1 << np.arange(bits.shape[1], dtype=np.int64))
    n = len(small)
    width = int(np.clip(np.ceil(np.log2(n)), 8, 20))  # so that a band of random bits is shared by one picture or two
    generator = np.random.default_rng(0)  # which bits make a band is part of the method, not of the user's seed
    weights = 1 << np.arange(width, dtype=np.int64)
    for _ in range(_BANDS):
        picked = generator.choice(bits.shape[1], width, replace=False)
        band = bits[:, picked] @ weights
        order = np.lexsort((codes, band))
        sorted_band = band[order]
        for step in range(1, _NEIGHBOURS + 1):
            same = np.flatnonzero(sorted_band[step:] == sorted_band[:-step])
            if not len(same):
                break
            one, other = order[same], order[same + step]
            near = np.bitwise_count(codes[one] ^ codes[other]) <= _FLIPPED
            one, other = one[near], other[near]
            alike = _likeness(small, one, other) >= _ROUGHLY
            low, high = np.minimum(one[alike], other[alike]), np.maximum(one[alike], other[alike])
            yield low * n + high


def hash_bits(small: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The hash of thumbnails ``(n, side × side)``: 0 and 1, ``(n, up to 63)``."""
    side = round(small.shape[1] ** 0.5)
    low = min(8, side)
    grid = np.arange(side)
    waves = np.cos(np.pi * np.outer(np.arange(low), grid + 0.5) / side).astype(np.float32)
    transform = np.einsum("ui,vj->uvij", waves, waves).reshape(low * low, side * side)[1:]  # the mean tells brightness
    found = np.empty((len(small), len(transform)), dtype=np.float32)
    for start in range(0, len(small), 8192):
        found[start : start + 8192] = _standard(small[start : start + 8192]) @ transform.T
    return (found > np.median(found, axis=0)).astype(np.int64)


def _likeness(thumbs: NDArray[np.uint8], one: IntArray, other: IntArray, block: int = 65536) -> NDArray[np.float32]:
    """Correlations of pairs of thumbnails."""
    out = np.empty(len(one), dtype=np.float32)
    for start in range(0, len(one), block):
        part = slice(start, start + block)
        out[part] = np.einsum("ij,ij->i", _standard(thumbs[one[part]]), _standard(thumbs[other[part]]))
    return out


def _verified(images: Images, first: IntArray, second: IntArray) -> tuple[IntArray, IntArray, NDArray[np.float64]]:
    """The pairs whose large thumbnails correlate by `ALIKE`."""
    involved, at = np.unique(np.concatenate([first, second]), return_inverse=True)
    if not len(involved):
        return first, second, np.empty(0)
    fine = thumbnails(images.take(involved), min(_FINE, _most(images)))
    likeness = _likeness(fine, at[: len(first)], at[len(first) :]).astype(np.float64)
    alike = likeness >= ALIKE
    return first[alike], second[alike], likeness[alike]
