"""Who competes on series: one line per contender, cheapest first."""

from __future__ import annotations

from annvil.models.contract import Contender


def contenders_for_series() -> list[Contender]:
    """Every contender for series, in the order in which they run and are shown."""
    from annvil.models.dummy import Dummy

    return [Dummy()]
