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
    from annvil.models.networks.dense_networks import DenseNetworks
    from annvil.models.networks.ensemble import NetworkEnsemble
    from annvil.models.networks.index_networks import IndexNetworks
    from annvil.models.networks.shared_ensemble import SharedEnsembles
    from annvil.models.shallow_tree import ShallowTree
    from annvil.models.spline_additive import SplineAdditive
    from annvil.models.trees import BoostedTrees

    promise: list[Contender] = [Dummy(), Linear(monotone), SplineAdditive(monotone), BoostedTrees(monotone)]
    without_gaps: list[Contender] = [ShallowTree(monotone), ExtraTrees(monotone)]
    networks: list[Contender] = [IndexNetworks(), DenseNetworks(), SharedEnsembles(), NetworkEnsemble()]
    dummy, linear, splines, boosted = promise
    shallow, extra = _leave_out(without_gaps, monotone if gaps else None, " where values are missing")
    neighbours, *networks = _leave_out([Neighbours(), *networks], monotone)
    return [dummy, linear, splines, neighbours, shallow, boosted, extra, *networks]


def _leave_out(contenders: list[Contender], monotone: Mapping[str, int] | None, where: str = "") -> list[Contender]:
    """The contenders, with ``monotone`` in name only."""
    from annvil.models.left_out import LeftOut

    if not monotone:
        return contenders
    columns = listed([quoted(name) for name in monotone])
    why = f"cannot promise that predictions only rise or fall with {columns}{where}"
    return [LeftOut(one, f"{outside(named(one.title))} {why}.") for one in contenders]


def has_gaps(dataset: Dataset) -> bool:
    """Whether a value of any column is missing."""
    columns = dataset.inputs.columns
    return any(bool((one.values < 0).any() if one.field.is_text else np.isnan(one.values).any()) for one in columns)
