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
    from annvil.kinds.pictures.contenders.features import GradientFeatures, PixelFeatures, too_small
    from annvil.kinds.pictures.contenders.transfer_learning import Transfer
    from annvil.models.dummy import Dummy
    from annvil.models.linear import Linear
    from annvil.models.neighbours import MOST_COLUMNS, Neighbours
    from annvil.models.networks.dense_networks import DenseNetworks
    from annvil.models.on_features import OnFeatures
    from annvil.models.trees import BoostedTrees

    few, many = partial(PixelFeatures.choose, most=FEW_PIXELS), partial(PixelFeatures.choose, most=MANY_PIXELS)
    edges = partial(GradientFeatures.choose, most=MANY_PIXELS)
    remembered = partial(PixelFeatures.choose, most=MOST_COLUMNS)
    on_pixels = partial(OnFeatures, scaled=True, refuses=too_small)  # pixels have one scale already
    return [
        Dummy(),
        on_pixels(Linear(), "pixels-linear", "Linear model on pixels", many),
        on_pixels(Linear(), "gradients-linear", "Linear model on gradients", edges, central=True),
        on_pixels(Neighbours(), "pixels-neighbours", "k-nearest neighbours on pixels", remembered),
        on_pixels(BoostedTrees(), "pixels-trees", "Boosted trees on pixels", few),
        on_pixels(DenseNetworks(), "pixels-dense", "Dense network on pixels", many),
        Transfer(start, refusal),
        Convolutional(),
    ]
