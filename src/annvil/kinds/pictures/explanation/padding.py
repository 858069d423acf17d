"""How much of a map's evidence lies in the bands that bring a picture to the model's shape, which its file lacks.

A model whose answers rest on the bands reads the shape of the file, not what is shown: it will fail on pictures from
elsewhere, however good its scores are. What is measured is a lower bound: what has the colour of the picture's border
has no share in integrated gradients and occlusion, and bands have the mean colour of the border inside of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annvil.data.findings import Finding
from annvil.kinds.pictures.explanation.saliency import SQUARES_ACROSS, Saliency
from annvil.text.quantities import percent, plain_count

TOO_MUCH, LEAST = 1.25, 0.1
"""Evidence in the bands is told as a danger where it is so many times their share of the area, and so much at least
(assumed: evidence spread evenly over the picture has 1)."""

FEWEST = 3
"""Pictures with bands from which a finding is made (assumed)."""


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


def finding_of(found: Sequence[InPadding], method: str, target: str) -> tuple[Finding, ...]:
    """What is to be told of maps of several pictures that passed their tests."""
    if len(found) < FEWEST:
        return ()
    mean = InPadding(float(np.mean([one.evidence for one in found])), float(np.mean([one.area for one in found])))
    if not mean.too_much:
        return ()
    return (
        Finding(
            "evidence in the padding",
            "serious",
            (target,),
            f"By {method}, {percent(mean.evidence)} of what speaks for the model's answers lies in or at the bands "
            f"that pad pictures to one shape, {percent(mean.area)} of their area (mean of "
            f"{plain_count(len(found), 'picture')}).",
            "The model reads the shape of the files, which may come from their source, beside what is shown. Bring all "
            "pictures to one shape before the fit, or test on pictures of one shape before trusting a score.",
        ),
    )
