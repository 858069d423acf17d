"""Who competes: one line per contender, cheapest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil.data.table import Dataset, Inputs
from annvil.models.contract import Contender

if TYPE_CHECKING:
    from annvil.models.starts import Start

FEW_PIXELS, MANY_PIXELS = 200, 800
"""Most columns that pictures are averaged down to, for trees and for linear models and networks (assumed: 14 × 14 and
28 × 28 grey pixels). Trees look at every column for every split, so theirs cost most."""


def contenders_for(dataset: Dataset[Inputs], start: Start | None = None, refusal: str | None = None) -> list[Contender]:
    """Every contender for inputs of this kind, in the order in which they run and are shown; the dummy first.

    ``start`` is the network for pictures to go on from (None: the one that ships), ``refusal`` why it must not compete.
    """
    kinds = {field.kind for field in dataset.inputs.schema}
    return contenders_for_pictures(start, refusal) if "image" in kinds else contenders_for_tables()


def contenders_for_tables() -> list[Contender]:
    """Every contender for tables, in the order in which they run and are shown; the dummy first.

    Imported here, not above: libraries for training load only when somebody trains.
    """
    from annvil.models.dense import DenseNetworks
    from annvil.models.dummy import Dummy
    from annvil.models.linear import Linear
    from annvil.models.neighbours import Neighbours
    from annvil.models.network_ensemble import NetworkEnsemble
    from annvil.models.shared_ensemble import SharedEnsembles
    from annvil.models.trees import BoostedTrees

    networks: list[Contender] = [DenseNetworks(), SharedEnsembles(), NetworkEnsemble()]
    return [Dummy(), Linear(), Neighbours(), BoostedTrees(), *networks]


def contenders_for_pictures(start: Start | None = None, refusal: str | None = None) -> list[Contender]:
    """Every contender for pictures, as `contenders_for_tables` does; those for tables learn from features of them."""
    from functools import partial

    from annvil.models.convolutional import Convolutional
    from annvil.models.dense import DenseNetworks
    from annvil.models.dummy import Dummy
    from annvil.models.linear import Linear
    from annvil.models.neighbours import MOST_COLUMNS, Neighbours
    from annvil.models.on_pixels import OnPixels
    from annvil.models.picture_features import GradientFeatures, PixelFeatures
    from annvil.models.transfer import Transfer
    from annvil.models.trees import BoostedTrees

    few, many = partial(PixelFeatures.choose, most=FEW_PIXELS), partial(PixelFeatures.choose, most=MANY_PIXELS)
    edges = partial(GradientFeatures.choose, most=MANY_PIXELS)
    remembered = partial(PixelFeatures.choose, most=MOST_COLUMNS)
    return [
        Dummy(),
        OnPixels(Linear(), "pixels-linear", "Linear model on pixels", many),
        OnPixels(Linear(), "gradients-linear", "Linear model on gradients", edges),
        OnPixels(Neighbours(), "pixels-neighbours", "Nearest neighbours on pixels", remembered),
        OnPixels(BoostedTrees(), "pixels-trees", "Boosted trees on pixels", few),
        OnPixels(DenseNetworks(), "pixels-dense", "Dense network on pixels", many),
        Transfer(start, refusal),
        Convolutional(),
    ]
