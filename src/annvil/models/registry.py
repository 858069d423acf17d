"""Who competes: one line per contender, cheapest first."""

from __future__ import annotations

from annvil.models.contract import Contender


def contenders_for_tables() -> list[Contender]:
    """Every contender for tables, in the order in which they run and are shown; the dummy first.

    Imported here, not above: libraries for training load only when somebody trains.
    """
    from annvil.models.dummy import Dummy

    return [Dummy()]
