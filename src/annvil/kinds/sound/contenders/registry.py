"""Who competes on sound: one line per contender, cheapest first."""

from __future__ import annotations

from annvil.models.contract import Contender


def contenders_for_sound() -> list[Contender]:
    """Every contender for clips, in the order in which they run and are shown."""
    from annvil.kinds.sound.contenders.features import CepstralFeatures
    from annvil.kinds.sound.contenders.hidden_markov_words import HiddenMarkovWords
    from annvil.kinds.sound.contenders.networks import SoundNetworks
    from annvil.models.dummy import Dummy
    from annvil.models.linear import Linear
    from annvil.models.on_features import OnFeatures
    from annvil.models.support_vectors import SupportVectors

    cepstra = CepstralFeatures.choose
    return [
        Dummy(),
        OnFeatures(Linear(), "cepstra-linear", "Linear model on statistics of cepstra", cepstra, central=True),
        OnFeatures(SupportVectors(), "cepstra-support-vectors", "Support vectors on statistics of cepstra", cepstra),
        HiddenMarkovWords(),
        SoundNetworks("residual", "sound-convolution", "Convolutional network on cepstra"),
        SoundNetworks("gru", "sound-recurrent", "Recurrent network on cepstra"),
    ]
