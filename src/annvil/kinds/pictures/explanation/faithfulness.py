"""Whether a saliency map can be trusted: two tests that a map must pass, and what is said when it fails.

*Weights shuffled.* A map that hardly changes when the network's knowledge is destroyed shows the picture, not the
network (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, arXiv 1810.03292, section 3). Every weight
tensor is shuffled in itself and its signs are drawn anew, so that layers keep their scales; running statistics are
taken anew from the picture. (With their signs, weights that are all positive would still mark whatever is bright:
occlusion of networks written by hand, right by construction, failed in 7 of 10.)
Spearman's rank correlation of the signed maps must be at most 0.2 in the mean over some shufflings. Signed, because
integrated gradients are a product with the picture: their sizes would agree for any network (their section 5).

*Deletion.* Squares are covered in the order of the map, and the output must fall clearly faster than in random orders
(`annvil.kinds.pictures.explanation.deletion`). Where covering takes little in any order there is no effect that a map
could be right about: it is neither passed nor failed, but untestable, and not to be relied on.

A map of what differs from the border passes the second test on many data, and fails the first: hence both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annvil.explanation.deletion import Deletion
from annvil.explanation.faithfulness import rank_correlation
from annvil.kinds.pictures.explanation.saliency import Pixels, Saliency

if TYPE_CHECKING:
    from torch import nn

MOST_ALIKE = 0.2
"""Rank correlation with maps of shuffled networks up to which a map counts as the network's own."""

SHUFFLINGS = 5
"""Networks with shuffled weights (assumed)."""


@dataclass(frozen=True)
class CheckedMap:
    """A map and what its tests found.

    Attributes
    ----------
    saliency : the map
    deletion : what covering squares does
    alike : mean rank correlation with the maps of shuffled networks; None where no weights were at hand to shuffle
    """

    saliency: Saliency
    deletion: Deletion
    alike: float | None

    @property
    def shows_something(self) -> bool:
        """Whether the map differs from place to place."""
        return bool(np.ptp(self.saliency.values) > 0)

    @property
    def trusted(self) -> bool:
        """Whether the map passed every test that could be made."""
        return all(passed for passed, _ in self._tests())

    @property
    def testable(self) -> bool:
        """Whether covering parts of the picture has an effect that the map could be right or wrong about."""
        return self.deletion.has_effect

    @property
    def changes_when_shuffled(self) -> bool:
        """Whether the map becomes another with shuffled weights; also where there were none to shuffle."""
        return self.alike is None or self.alike <= MOST_ALIKE

    def sentences(self) -> tuple[str, ...]:
        """What the tests found, for people; the conclusion first."""
        failed = [said for passed, said in self._tests() if not passed]
        if not self.testable:
            return ("This map cannot be tested: do not rely on it.", *failed)
        if failed:
            return ("Do not trust this map.", *failed)
        return ("This map passed its tests.", *(said for _, said in self._tests()))

    def _tests(self) -> list[tuple[bool, str]]:
        if not self.testable:
            return [(False, self.deletion.in_words())]
        if not self.shows_something:
            return [(False, "It is the same everywhere.")]
        if self.alike is None:
            said = "No weights were at hand to shuffle, so that only this test was made."
        elif self.changes_when_shuffled:
            said = f"With shuffled weights the map becomes another (rank correlation {self.alike:z.2f})."
        else:
            said = (
                f"With shuffled weights it stays much the same (rank correlation {self.alike:.2f}, at most "
                f"{MOST_ALIKE} is asked): it shows the picture more than what the network learnt."
            )
        return [(self.deletion.passed, self.deletion.in_words()), (self.changes_when_shuffled, said)]


def shuffled(network: nn.Module, pixels: Pixels, seed: int) -> nn.Module:
    """A copy of the network without its knowledge, running statistics those of ``pixels``.

    Parameters
    ----------
    pixels : uint8 ``(height, width, channels)``, the picture to be explained
    """
    import torch
    from torch import nn

    from annvil.networks.shuffling import without_knowledge

    other = without_knowledge(network, seed)
    with torch.no_grad():
        norms = [module for module in other.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        if norms:
            other(torch.from_numpy(np.stack([pixels, pixels[:, ::-1]])))  # a mirror image: one value has no variance
    return other.eval()


def alike_when_shuffled(
    network: nn.Module,
    pixels: Pixels,
    saliency: Saliency,
    explain: Callable[[nn.Module], Saliency | None],
) -> float:
    """Mean rank correlation of a map with those of networks without knowledge; ``explain`` makes one of a network."""
    found = []
    for seed in range(SHUFFLINGS):
        other = explain(shuffled(network, pixels, seed))
        found.append(0.0 if other is None else rank_correlation(saliency.values.ravel(), other.values.ravel()))
    return float(np.mean(found))
