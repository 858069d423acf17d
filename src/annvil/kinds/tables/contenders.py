"""Who competes on tables: one line per contender, cheapest first."""

from __future__ import annotations

from annvil.models.contract import Contender


def contenders_for_tables() -> list[Contender]:
    """Every contender for tables, in the order in which they run and are shown; the dummy first.

    Imported here, not above: libraries for training load only when somebody trains.
    """
    from annvil.models.dummy import Dummy
    from annvil.models.extra_trees import ExtraTrees
    from annvil.models.linear import Linear
    from annvil.models.neighbours import Neighbours
    from annvil.models.networks.dense_networks import DenseNetworks
    from annvil.models.networks.ensemble import NetworkEnsemble
    from annvil.models.networks.shared_ensemble import SharedEnsembles
    from annvil.models.shallow_tree import ShallowTree
    from annvil.models.spline_additive import SplineAdditive
    from annvil.models.trees import BoostedTrees

    networks: list[Contender] = [DenseNetworks(), SharedEnsembles(), NetworkEnsemble()]
    return [Dummy(), Linear(), SplineAdditive(), Neighbours(), ShallowTree(), BoostedTrees(), ExtraTrees(), *networks]
