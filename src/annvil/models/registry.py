"""Who competes: one line per contender, cheapest first."""

from __future__ import annotations

from annvil.data.table import Dataset, Inputs
from annvil.models.contract import Contender


def contenders_for(dataset: Dataset[Inputs]) -> list[Contender]:
    """Every contender for inputs of this kind, in the order in which they run and are shown; the dummy first."""
    kinds = {field.kind for field in dataset.inputs.schema}
    return contenders_for_pictures() if "image" in kinds else contenders_for_tables()


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


def contenders_for_pictures() -> list[Contender]:
    """Every contender for pictures, as `contenders_for_tables` does."""
    from annvil.models.convolutional import Convolutional
    from annvil.models.dummy import Dummy

    return [Dummy(), Convolutional()]
