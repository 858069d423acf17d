"""Who competes on pictures: one line per contender, cheapest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil.models.contract import Contender

if TYPE_CHECKING:
    from annvil.kinds.pictures.starts.pretrained import Start

FEW_PIXELS, MANY_PIXELS = 200, 800
"""Most columns that pictures are averaged down to, for trees and for linear models and networks (assumed: 14 × 14 and
28 × 28 grey pixels). Trees look at every column for every split, so theirs cost most."""


def contenders_for_pictures(start: Start | None = None, refusal: str | None = None) -> list[Contender]:
    """Every contender for pictures, in the order in which they run and are shown; those for tables learn from
    features of them."""
    from functools import partial

    from annvil.kinds.pictures.contenders.convolutional_networks import Convolutional
    from annvil.kinds.pictures.contenders.features import GradientFeatures, PixelFeatures
    from annvil.kinds.pictures.contenders.on_pixels import OnPixels
    from annvil.kinds.pictures.contenders.transfer_learning import Transfer
    from annvil.models.dummy import Dummy
    from annvil.models.linear import Linear
    from annvil.models.neighbours import MOST_COLUMNS, Neighbours
    from annvil.models.networks.dense_networks import DenseNetworks
    from annvil.models.trees import BoostedTrees

    few, many = partial(PixelFeatures.choose, most=FEW_PIXELS), partial(PixelFeatures.choose, most=MANY_PIXELS)
    edges = partial(GradientFeatures.choose, most=MANY_PIXELS)
    remembered = partial(PixelFeatures.choose, most=MOST_COLUMNS)
    return [
        Dummy(),
        OnPixels(Linear(), "pixels-linear", "Linear model on pixels", many),
        OnPixels(Linear(), "gradients-linear", "Linear model on gradients", edges, central=True),
        OnPixels(Neighbours(), "pixels-neighbours", "k-nearest neighbours on pixels", remembered),
        OnPixels(BoostedTrees(), "pixels-trees", "Boosted trees on pixels", few),
        OnPixels(DenseNetworks(), "pixels-dense", "Dense network on pixels", many),
        Transfer(start, refusal),
        Convolutional(),
    ]
