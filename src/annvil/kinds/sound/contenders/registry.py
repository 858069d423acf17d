"""Who competes on sound: one line per contender, cheapest first."""

from __future__ import annotations

from annvil.models.contract import Contender


def contenders_for_sound() -> list[Contender]:
    """Every contender for clips, in the order in which they run and are shown."""
    from annvil.kinds.sound.contenders.hidden_markov_words import HiddenMarkovWords
    from annvil.models.dummy import Dummy

    return [Dummy(), HiddenMarkovWords()]
