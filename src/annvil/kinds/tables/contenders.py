"""Who competes on tables: one line per contender, cheapest first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.contract import Contender
from annvil.text.phrases import listed, named, outside, quoted


def contenders_for_tables(monotone: Mapping[str, int] | None = None, *, gaps: bool = False) -> list[Contender]:
    """Every contender for tables, in the order in which they run and are shown; the dummy first.

    Imported here, not above: libraries for training load only when somebody trains.

    Parameters
    ----------
    monotone : 1 or -1 by column, with which predictions must rise or fall; who cannot promise it is left out
    gaps : whether values are missing, with which scikit-learn's own trees promise nothing
    """
    from annvil.models.dummy import Dummy
    from annvil.models.extra_trees import ExtraTrees
    from annvil.models.linear import Linear
    from annvil.models.neighbours import Neighbours
    from annvil.models.networks.additive_networks import AdditiveNetworks
    from annvil.models.networks.dense_networks import DenseNetworks
    from annvil.models.networks.ensemble import NetworkEnsemble
    from annvil.models.networks.index_networks import IndexNetworks
    from annvil.models.networks.shared_ensemble import SharedEnsembles
    from annvil.models.shallow_tree import ShallowTree
    from annvil.models.spline_additive import SplineAdditive
    from annvil.models.trees import BoostedTrees

    readable: list[Contender] = [AdditiveNetworks(monotone), IndexNetworks()]
    networks: list[Contender] = [*readable, DenseNetworks(), SharedEnsembles(), NetworkEnsemble()]
    simple: list[Contender] = [Linear(monotone), SplineAdditive(monotone), Neighbours()]
    trees: list[Contender] = [ShallowTree(monotone), BoostedTrees(monotone), ExtraTrees(monotone)]
    everybody = [Dummy(), *simple, *trees, *networks]
    return _who_promises(everybody, monotone, gaps=gaps) if monotone else everybody


PROMISE = {"dummy", "linear", "spline-gam", "boosted-trees", "additive-network"}
PROMISE_WITHOUT_GAPS = {"rule-tree", "extra-trees"}
"""Whose predictions rise or fall with a column by construction where that is asked; the latter where no value is
missing."""


def _who_promises(contenders: list[Contender], monotone: Mapping[str, int], *, gaps: bool) -> list[Contender]:
    """The contenders, those that cannot promise it in name only."""
    from annvil.models.left_out import LeftOut

    why = f"cannot promise that predictions only rise or fall with {listed([quoted(name) for name in monotone])}"
    made: list[Contender] = []
    for one in contenders:
        only_gaps = one.name in PROMISE_WITHOUT_GAPS
        promises = one.name in PROMISE or (only_gaps and not gaps)
        where = " where values are missing" if only_gaps else ""
        made.append(one if promises else LeftOut(one, f"{outside(named(one.title))} {why}{where}."))
    return made


def has_gaps(dataset: Dataset) -> bool:
    """Whether a value of any column is missing."""
    columns = dataset.inputs.columns
    return any(bool((one.values < 0).any() if one.field.is_text else np.isnan(one.values).any()) for one in columns)
