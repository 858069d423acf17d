"""How much of a map's evidence lies in the bands that bring a picture to the model's shape, which its file lacks.

A model whose answers rest on the bands reads the shape of the file, not what is shown: it will fail on pictures from
elsewhere, however good its scores are. By maps a lower bound is measured: what has the colour of the picture's border
has no share in integrated gradients and occlusion, and bands have the mean colour of the border inside of them. So the
bands are also filled with the picture mirrored, and what the model then loses is compared with what it loses where
strips of the picture itself, beside the bands and as wide, are filled so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annvil.data.findings import Finding
from annvil.kinds.pictures.explanation.saliency import SQUARES_ACROSS, Pixels, Saliency
from annvil.tasks.base import FloatArray
from annvil.text.quantities import percent, plain_count

TOO_MUCH, LEAST = 1.25, 0.1
"""Evidence in the bands is told as a danger where it is so many times their share of the area, and so much at least
(assumed: evidence spread evenly over the picture has 1)."""

FEWEST = 3
"""Pictures with bands from which a finding is made (assumed)."""

LEAST_LOST = 0.1
"""Share of an answer's probability that filling the bands must take, and take beyond the strips (assumed)."""

MOST_FILLED = 64
"""Pictures whose bands are filled (assumed: as many predictions as a twentieth of one picture's maps take)."""


@dataclass(frozen=True)
class InPadding:
    """Shares of what speaks for an output, and of the area, that lie in the bands or at their edge."""

    evidence: float
    area: float

    @property
    def too_much(self) -> bool:
        """Whether the bands hold more of the evidence than their area would."""
        return self.evidence >= max(LEAST, TOO_MUCH * self.area)

    def sentence(self) -> str:
        """For one picture."""
        said = (
            f"{percent(self.evidence)} of what speaks for it lies in or at the bands that pad the picture "
            f"({percent(self.area)} of its area)"
        )
        return f"{said}: the model reads the shape of the file." if self.too_much else f"{said}."


def in_padding(saliency: Saliency, padded: NDArray[np.bool_], of_number: bool) -> InPadding | None:
    """The shares; None without bands, or without anything that speaks for the output.

    Parameters
    ----------
    padded : pixels that the file does not have, bool ``(height, width)``
    of_number : whether the output is a number, for which what lowers it counts too
    """
    evidence = np.abs(saliency.values) if of_number else np.maximum(saliency.values, 0.0)
    if not padded.any() or evidence.sum() <= 0:
        return None
    bands = _with_edges(padded)
    return InPadding(float(evidence[bands].sum() / evidence.sum()), float(bands.mean()))


def _with_edges(padded: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The bands and the pixels next to them, as far as one step of the square that occlusion covers with."""
    edge = max(1, min(padded.shape) // SQUARES_ACROSS)
    bands = np.ones(padded.shape, dtype=bool)
    filled = []
    for axis in (1, 0):
        places = np.flatnonzero(~padded.all(axis=axis))
        first, last = int(places[0]), int(places[-1]) + 1
        length = padded.shape[1 - axis]
        filled.append(slice(first + edge * (first > 0), max(0, last - edge * (last < length))))
    bands[filled[0], filled[1]] = False
    return bands


def mirrored(pixels: Pixels, rows: slice, columns: slice, filled: NDArray[np.bool_]) -> Pixels:
    """A picture with the pixels ``filled`` taken from what lies in ``rows`` and ``columns``, mirrored at its edges."""
    places = []
    for kept, length in ((rows, pixels.shape[0]), (columns, pixels.shape[1])):
        n = kept.stop - kept.start
        away = (np.arange(length) - kept.start) % (2 * n)
        places.append(kept.start + np.minimum(away, 2 * n - 1 - away))
    return np.where(filled[..., None], pixels[np.ix_(*places)], pixels)


def _inside(padded: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the picture itself."""
    rows, columns = (np.flatnonzero(~padded.all(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _narrower(inside: slice, length: int) -> slice:
    """Without strips as wide as the bands on both sides, but half of it at least."""
    n = inside.stop - inside.start
    before, after = (min(width, n // 4) for width in (inside.start, length - inside.stop))
    return slice(inside.start + before, inside.stop - after)


def bands_filled(
    pixels: Pixels, padded: Sequence[NDArray[np.bool_]], outputs: Callable[[Pixels], FloatArray], target: str
) -> tuple[Finding, ...]:
    """What is to be told where a model of classes loses its answers when the bands are filled.

    Parameters
    ----------
    pixels : pictures as the model takes them, uint8 ``(n, height, width, channels)``
    padded : of each the pixels that its file does not have
    outputs : pictures → probabilities ``(n, n_classes)``
    """
    some = [row for row, bands in enumerate(padded) if bands.any()][:MOST_FILLED]
    if len(some) < FEWEST:
        return ()
    without, control = [], []
    for row in some:
        rows, columns = _inside(padded[row])
        inner = (_narrower(rows, pixels.shape[1]), _narrower(columns, pixels.shape[2]))
        strips = ~padded[row]
        strips[inner] = False
        without.append(mirrored(pixels[row], rows, columns, padded[row]))
        control.append(mirrored(pixels[row], *inner, strips))
    found = outputs(np.concatenate([pixels[some], np.stack(without), np.stack(control)]))
    whole, bare, cut = found.reshape(3, len(some), -1)
    decided = whole.argmax(axis=1)[:, None]
    kept, left, left_of_control = (np.take_along_axis(one, decided, axis=1)[:, 0] for one in (whole, bare, cut))
    lost, by_chance = 1 - left / kept, 1 - left_of_control / kept
    beyond = lost - by_chance
    error = float(beyond.std(ddof=1) / np.sqrt(len(beyond)))
    if min(float(lost.mean()), float(beyond.mean()) - 2 * error) < LEAST_LOST:
        return ()
    return (
        _finding(
            f"Where the bands that pad pictures to one shape are filled with the picture mirrored, the model loses "
            f"{percent(float(lost.mean()))} of the probability of what it says; where strips of the picture beside "
            f"them are, as wide, {percent(max(0.0, float(by_chance.mean())))} (mean of "
            f"{plain_count(len(some), 'picture')}).",
            target,
        ),
    )


def finding_of(found: Sequence[InPadding], method: str, target: str) -> tuple[Finding, ...]:
    """What is to be told of maps of several pictures that passed their tests."""
    if len(found) < FEWEST:
        return ()
    mean = InPadding(float(np.mean([one.evidence for one in found])), float(np.mean([one.area for one in found])))
    if not mean.too_much:
        return ()
    return (
        _finding(
            f"By {method}, {percent(mean.evidence)} of what speaks for the model's answers lies in or at the bands "
            f"that pad pictures to one shape, {percent(mean.area)} of their area (mean of "
            f"{plain_count(len(found), 'picture')}).",
            target,
        ),
    )


def _finding(what: str, target: str) -> Finding:
    return Finding(
        "evidence in the padding",
        "serious",
        (target,),
        what,
        "The model reads the shape of the files, which may come from their source, beside what is shown. Bring all "
        "pictures to one shape before the fit, or test on pictures of one shape before trusting a score.",
    )
