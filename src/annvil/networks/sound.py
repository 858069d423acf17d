"""Networks for sound: log-mel energies become cepstra, and these go to a network for series.

The cosine transform keeps the course of a spectrum and drops what is quick along it: in 40 bands of 32 ms the harmonics
of a voice are seen one by one, and with them who speaks. Without it, residual convolutions were right on .65 and .69 of
the digits of two speakers that they had not heard; with 13 cepstra, half as wide again and with dropout, on .74 and .77
(ten epochs, one run each, measured). It lies behind the energies, not in the front end: training changes energies.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from annvil.networks.dropout import Dropout
from annvil.networks.front_end import cosine_transform
from annvil.networks.recurrent import RecurrentArchitecture, RecurrentNetwork
from annvil.networks.series_input import SeriesInput, inside
from annvil.networks.temporal import MOMENTUM, StepNorm

Body = Literal["residual", "gru"]

KERNEL = 9
"""Frames of a convolution, 90 ms (Choi et al. 2019)."""

PATCH = 4
"""Frames that a recurrence reads at a time."""


@dataclass(frozen=True)
class SoundArchitecture:
    """Everything that a network's weights do not say.

    Attributes
    ----------
    n_bands, n_outputs : energies of a frame; logits or values
    body : "residual": one-dimensional convolutions over time, three blocks of two, each with half the frames of the one
        before (TC-ResNet: Choi et al. 2019, arXiv 1904.03814); "gru": a gated recurrence over patches, both ways
    width : channels of the first convolution, and then 1, 4/3 and 2 times as many; or units of the recurrence
    n_cepstra : of the cosine transform; 0: energies as they are
    """

    n_bands: int
    n_outputs: int
    body: Body = "residual"
    width: int = 48
    n_cepstra: int = 13

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {"kind": "sound", **asdict(self)}


class SoundNetwork(nn.Module):
    """Log-mel energies float32 ``(n, n_bands, frames)`` and how many frames count, int64 ``(n,)``, to
    ``(n, n_outputs)``. From each cepstrum its mean over the clip is taken away, and with it microphone, room and
    loudness; deviations are those of training, for how far cepstra move is part of a word (measured: RESULTS, "Sound").
    """

    cosines: Tensor

    def __init__(self, architecture: SoundArchitecture, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = a = architecture
        n_channels = a.n_cepstra or a.n_bands
        cosines = cosine_transform(a.n_cepstra, a.n_bands).float()[:, :, None] if a.n_cepstra else torch.zeros(0)
        self.register_buffer("cosines", cosines)
        self.body: nn.Module
        if a.body == "residual":
            self.body = ResidualBody(n_channels, a.n_outputs, a.width, dropout)
        else:
            inner = RecurrentArchitecture(
                n_channels, a.n_outputs, "gru", a.width, patch=PATCH, directions=2, scaling="channel"
            )
            self.body = RecurrentNetwork(inner, dropout)

    def forward(self, energies: Tensor, frames: Tensor) -> Tensor:
        return self.body(self._cepstra(energies, frames), frames)  # type: ignore[no-any-return]

    def _cepstra(self, energies: Tensor, frames: Tensor) -> Tensor:
        found = functional.conv1d(energies, self.cosines) if self.architecture.n_cepstra else energies
        mask = inside(found, frames)
        found = torch.where(mask > 0, found, 0.0)
        return (found - found.sum(dim=2, keepdim=True) / mask.sum(dim=2, keepdim=True).clamp(min=1)) * mask

    def look_at(self, energies: Tensor, frames: Tensor) -> None:
        """Learn scales from training clips."""
        self.body.input.look_at(self._cepstra(energies, frames), frames)  # type: ignore[union-attr, operator]

    def initialise(self, generator: torch.Generator) -> None:
        """Initial weights."""
        self.body.initialise(generator)  # type: ignore[operator]

    def examples(self) -> tuple[Tensor, Tensor]:
        """One clip of several frames, as `forward` takes it."""
        return torch.zeros(1, self.architecture.n_bands, 8), torch.full((1,), 8)


class ResidualBody(nn.Module):
    """Convolutions over time with channels that are cepstra and their changes; the mean over time; a linear layer."""

    def __init__(self, n_channels: int, n_outputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.input = SeriesInput(n_channels, changes=True)
        self.convolution = nn.Conv1d(2 * n_channels, width, 3, padding=1, bias=False)
        self.norm = StepNorm(width, momentum=MOMENTUM)
        widths = [width, width, width * 4 // 3, 2 * width]
        self.blocks = nn.ModuleList(ResidualBlock(widths[i], widths[i + 1]) for i in range(3))
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(widths[-1], n_outputs)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Initial weights: of variance 2 / inputs (He et al. 2015), of the last layer 1 / inputs."""
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Linear):
                bound = ((3 if isinstance(module, nn.Linear) else 6) / module.weight[0].numel()) ** 0.5
                module.weight.uniform_(-bound, bound, generator=generator)
        self.head.bias.zero_()

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        x, mask = self.input(values, lengths)
        x = torch.relu(self.norm(self.convolution(x), mask)) * mask
        for block in self.blocks:
            x, mask = block(x, mask)
        return self.head(self.dropout(x.sum(dim=2) / mask.sum(dim=2)))  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two convolutions, the first with every second frame, and what they are added to. What lies behind the end of a
    clip stays 0, so that kernels never see it."""

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        around = KERNEL // 2
        self.first = nn.Conv1d(n_inputs, width, KERNEL, 2, padding=around, bias=False)
        self.first_norm = StepNorm(width, momentum=MOMENTUM)
        self.second = nn.Conv1d(width, width, KERNEL, padding=around, bias=False)
        self.second_norm = StepNorm(width, momentum=MOMENTUM)
        self.around = nn.Conv1d(n_inputs, width, 1, 2, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        half = mask[:, :, ::2]
        found = torch.relu(self.first_norm(self.first(x), half)) * half
        found = self.second_norm(self.second(found), half)
        return torch.relu(found + self.around(x)) * half, half
