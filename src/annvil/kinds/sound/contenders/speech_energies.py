"""What networks for sound are given: log-mel energies of what is said, by fixed products that a graph can hold."""

from __future__ import annotations

from torch import Tensor, nn

from annvil.kinds.sound.spoken import spoken
from annvil.networks.front_end import FrontEnd


class SpeechEnergies(nn.Module):
    """Samples float32 ``(n, time)`` and lengths int64 ``(n,)`` to natural logarithms of energies float32 ``(n, n_bands,
    frames)``, from the first loud frame on and zeros behind the last loud one, and frames that count, int64 ``(n,)``.

    The quiet before and behind a word is left away: its length differs from speaker to speaker, for each was recorded
    and cut another way (measured: benchmarks/RESULTS.md, "Sound"). The mean stays, because training adds noise to
    energies.
    """

    def __init__(self, rate: int, n_bands: int) -> None:
        super().__init__()
        self.front_end = FrontEnd(rate, "log-mel", n_bands=n_bands, mean_removal=False)

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        energies, frames = self.front_end(samples, lengths)
        return spoken(energies, frames, energies.mean(dim=1))
