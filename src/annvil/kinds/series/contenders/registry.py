"""Who competes on series: one line per contender, cheapest first."""

from __future__ import annotations

from annvil.models.contract import Contender


def contenders_for_series() -> list[Contender]:
    """Every contender for series, in the order in which they run and are shown."""
    from annvil.kinds.series.contenders.features import SummaryFeatures
    from annvil.kinds.series.contenders.kernel_models import hydra, minirocket
    from annvil.kinds.series.contenders.neighbours import WarpedNeighbours
    from annvil.kinds.series.contenders.recurrent_networks import RecurrentNetworks
    from annvil.kinds.series.contenders.temporal_networks import TemporalNetworks
    from annvil.models.dummy import Dummy
    from annvil.models.extra_trees import ExtraTrees
    from annvil.models.linear import Linear
    from annvil.models.on_features import OnFeatures
    from annvil.models.trees import BoostedTrees

    summary = SummaryFeatures.choose
    return [
        Dummy(),
        OnFeatures(Linear(), "summary-linear", "Linear model on summary features", summary, central=True),
        OnFeatures(ExtraTrees(), "summary-extra-trees", "Extra trees on summary features", summary),
        OnFeatures(BoostedTrees(), "summary-trees", "Boosted trees on summary features", summary),
        hydra(),
        minirocket(),
        WarpedNeighbours(),
        TemporalNetworks(),
        RecurrentNetworks(),
    ]
