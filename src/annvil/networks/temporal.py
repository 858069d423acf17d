"""Convolutional networks for series: causal ones with dilation (TCN), and wide kernels side by side (LITE)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from annvil.networks.dropout import Dropout
from annvil.networks.series_input import Scaling, SeriesInput

Form = Literal["tcn", "lite"]

KERNEL = 5
"""Steps that one causal convolution sees."""

WIDE_KERNELS = (39, 19, 9)
"""Steps of the kernels side by side (Inception's and LITE's 40, 20 and 10, odd so that they have a middle)."""

MOMENTUM = 0.1


@dataclass(frozen=True)
class TemporalArchitecture:
    """Everything that a network's weights do not say.

    All see values and their changes from step to step, and pool every layer. On inner splits of training parts, after
    400 steps, that made of 500 leaves a loss of .118 (changes alone .133, neither .161; accuracy .963, .957, .957), and
    of activities of persons not seen before .134 (changes alone .223; accuracy .918, .894).

    Attributes
    ----------
    n_channels, n_outputs : values of a step; logits or values
    form : "tcn": causal convolutions with residual connections, of which each looks twice as far back (Bai et al. 2018,
        arXiv 1803.01271, with batch normalisation); "lite": three wide kernels side by side, then two convolutions that
        are separable in depth (Ismail-Fawaz et al. 2023, LITE, without its fixed kernels)
    width, layers : channels of a layer; convolutions of "tcn"
    stride : of the first layer: only every so many'th step has a place in its result
    equal_lengths : whether training series are of one length, so that PyTorch's own normalisation sees no padding
    scaling : see `SeriesInput`
    """

    n_channels: int
    n_outputs: int
    form: Form = "tcn"
    width: int = 64
    layers: int = 6
    stride: int = 1
    equal_lengths: bool = False
    scaling: Scaling = "channel"

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {"kind": "temporal", **asdict(self)}


def layers_to_see(steps: int) -> int:
    """Causal layers, of which each looks twice as far back, until the last step sees the first of so many."""
    return max(1, math.ceil(math.log2(steps / (KERNEL - 1) + 1)))


class StepNorm(nn.BatchNorm1d):
    """Batch normalisation of ``(n, channels, time)`` over the steps of series alone, whatever lies behind their ends.

    Without the mask, and in evaluation, it is PyTorch's own.
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None or not self.training:
            return super().forward(x)
        count = mask.sum()
        middle = (x * mask).sum(dim=(0, 2), keepdim=True) / count
        away = (x - middle) * mask
        variance = (away * away).sum(dim=(0, 2), keepdim=True) / count
        with torch.no_grad():
            self.running_mean.lerp_(middle.flatten(), MOMENTUM)  # type: ignore[union-attr]
            unbiased = variance.flatten() * (count / (count - 1).clamp(min=1))
            self.running_var.lerp_(unbiased, MOMENTUM)  # type: ignore[union-attr]
        factor = self.weight[:, None] * (variance + self.eps).rsqrt()
        return (x - middle) * factor + self.bias[:, None]


class CausalLayer(nn.Module):
    """A convolution that sees this step and earlier ones, ``dilation`` apart, and what it is added to."""

    def __init__(self, n_inputs: int, width: int, dilation: int, stride: int = 1) -> None:
        super().__init__()
        self.before = dilation * (KERNEL - 1)
        self.convolution = nn.Conv1d(n_inputs, width, KERNEL, stride, dilation=dilation, bias=False)
        self.norm = StepNorm(width, momentum=MOMENTUM)
        same = n_inputs == width and stride == 1
        self.around = nn.Identity() if same else nn.Conv1d(n_inputs, width, 1, stride)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        found = self.norm(self.convolution(functional.pad(x, (self.before, 0))), mask)
        return torch.relu(found + self.around(x))


class WideLayer(nn.Module):
    """Kernels of three sizes side by side."""

    def __init__(self, n_inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(n_inputs, width, size, stride, padding=size // 2, bias=False) for size in WIDE_KERNELS
        )
        self.norm = StepNorm(len(WIDE_KERNELS) * width, momentum=MOMENTUM)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return torch.relu(self.norm(torch.cat([one(x) for one in self.convolutions], dim=1), mask))


class SeparableLayer(nn.Module):
    """A dilated kernel for every channel, then a mixture of channels."""

    def __init__(self, n_inputs: int, width: int, size: int, dilation: int) -> None:
        super().__init__()
        padding = dilation * (size // 2)
        self.each = nn.Conv1d(n_inputs, n_inputs, size, padding=padding, dilation=dilation, groups=n_inputs, bias=False)
        self.mixed = nn.Conv1d(n_inputs, width, 1, bias=False)
        self.norm = StepNorm(width, momentum=MOMENTUM)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return torch.relu(self.norm(self.mixed(self.each(x)), mask))


class TemporalNetwork(nn.Module):
    """Values ``(n, channels, time)`` and lengths ``(n,)`` → ``(n, n_outputs)``: values and their changes go into the
    first layer, means over the steps of every layer into a linear one, so that what the first ones find, in few steps
    at a time, needs no way through all others."""

    def __init__(self, architecture: TemporalArchitecture, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.input = SeriesInput(a.n_channels, a.scaling, changes=True)
        if a.form == "tcn":
            sizes = [2 * a.n_channels, *[a.width] * a.layers]
            n_features = a.layers * a.width
            layers: list[nn.Module] = [
                CausalLayer(sizes[i], sizes[i + 1], 2**i, a.stride if i == 0 else 1) for i in range(a.layers)
            ]
        else:
            together = a.width * len(WIDE_KERNELS)
            n_features = together + 2 * a.width
            layers = [
                WideLayer(2 * a.n_channels, a.width, a.stride),
                SeparableLayer(together, a.width, WIDE_KERNELS[1], 2),
                SeparableLayer(a.width, a.width, WIDE_KERNELS[2], 4),
            ]
        self.layers = nn.ModuleList(layers)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(n_features, a.n_outputs)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Initial weights: of variance 2 / inputs (He et al. 2015), of the last layer 1 / inputs."""
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Linear):
                gain = 3 if isinstance(module, nn.Linear) else 6
                bound = (gain / module.weight[0].numel()) ** 0.5
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        x, mask = self.input(values, lengths)
        mask = mask[:, :, :: self.architecture.stride]
        # Kernels that look ahead must not see what a layer made of padding; causal ones never do.
        hides = self.architecture.form == "lite" and not (self.training and self.architecture.equal_lengths)
        seen = None if self.architecture.equal_lengths else mask
        sums = []
        for layer in self.layers:
            x = layer(x, seen)
            x = x * mask if hides else x
            sums.append((x if hides else x * mask).sum(dim=2))
        features = torch.cat(sums, dim=1) / mask.sum(dim=2)
        return self.head(self.dropout(features))  # type: ignore[no-any-return]

    def examples(self) -> tuple[Tensor, Tensor]:
        """One series, as `forward` takes them, of one step."""
        return torch.zeros(1, self.architecture.n_channels, 1), torch.ones(1, dtype=torch.int64)
