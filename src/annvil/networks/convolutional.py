"""Convolutional networks for pictures, from small to middle, sized by their architecture.

After airbench (Jordan 2024, arXiv 2404.00498) and its predecessor by Page and tysam-code: 3 × 3 convolutions without
bias, the pooling of a layer before its normalisation and activation, normalisation without a learnt factor, global max
pooling, a scaled linear head without bias. Departures: a learnt stem instead of a whitening one, ReLU instead of GELU
(pooling and ReLU can change places, which the engine uses), and no residual connections at these depths.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

NORM_MOMENTUM = 0.4
"""Weight of the newest batch in the running statistics, as in airbench: trainings are short."""

NORM_EPS = 1e-5

Stem = Literal["small", "plain", "strided"]

MOST_LAYERS, LARGEST_SIDE, MOST_CHANNELS = 200, 1 << 14, 1 << 20
"""Of an architecture that is read (assumed: ours have tens of layers, and pictures thousands of pixels on a side)."""


@dataclass(frozen=True)
class Layer:
    """One convolution: its output channels, and whether its map is halved by 2 × 2 max pooling."""

    channels: int
    pools: bool = False


@dataclass(frozen=True)
class ConvolutionalArchitecture:
    """Everything that a network's weights do not say.

    Attributes
    ----------
    height, width, channels : of the pictures
    n_outputs : logits or values
    stem : the first layer: "plain", a 3 × 3 convolution with pooling; "small", the same without; "strided", 4 × 4
        filters at stride 2
    stem_channels : channels after it
    layers : 3 × 3 convolutions after the stem
    head_scale : factor of the outputs
    shrink : the network sees means of so many by so many pixels: a quarter of the work at 2; rows and columns that
        fill no whole square are left out
    """

    height: int
    width: int
    channels: int
    n_outputs: int
    stem: Stem = "plain"
    stem_channels: int = 32
    layers: tuple[Layer, ...] = (Layer(64, True), Layer(128), Layer(128, True), Layer(256))
    head_scale: float = 0.5
    shrink: int = 1

    def to_json(self) -> dict[str, Any]:
        """JSON-able; `from_json` reads it."""
        return {"kind": "convolutional", **asdict(self), "layers": [[x.channels, x.pools] for x in self.layers]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ConvolutionalArchitecture:
        """The architecture that `to_json` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is none, or larger than any of ours.
        """
        rest = {name: value for name, value in values.items() if name not in ("kind", "layers")}
        if len(values["layers"]) > MOST_LAYERS:
            raise ValueError(f"it has {len(values['layers'])} layers, and {MOST_LAYERS} are the most")
        found = cls(**rest, layers=tuple(Layer(int(c), bool(p)) for c, p in values["layers"]))
        check_counts(found.height, found.width, found.channels, found.n_outputs)
        check_counts(found.shrink, 1, found.stem_channels, *(layer.channels for layer in found.layers))
        if found.stem not in get_args(Stem) or not 0 < found.head_scale < math.inf:
            raise ValueError(f"it has the stem {str(found.stem)[:40]!r} and the factor {found.head_scale}")
        return found

    @property
    def operations(self) -> float:
        """Multiplications and additions of one forward pass over one picture, in its convolutions."""
        return sum(2 * area * size * inputs * outputs for area, size, inputs, outputs, _ in self._maps())

    @property
    def values(self) -> float:
        """Numbers in all maps of one picture, before and after pooling."""
        return sum(area * outputs * (1.25 if pools else 1) for area, _, _, outputs, pools in self._maps())

    def _maps(self) -> Iterator[tuple[float, int, int, int, bool]]:
        """Of every convolution the pixels of its map, those of a filter, channels in and out, and whether it pools."""
        strided = self.stem == "strided"
        seen = (self.height // self.shrink) * (self.width // self.shrink)
        area, channels, size = seen / (4 if strided else 1), self.channels, 16 if strided else 9
        for layer in (Layer(self.stem_channels, self.stem == "plain"), *self.layers):
            yield area, size, channels, layer.channels, layer.pools
            area, channels, size = area / (4 if layer.pools else 1), layer.channels, 9


def check_counts(height: int, width: int, *channels: int) -> None:
    """Raise ValueError unless they are whole numbers from 1 to what pictures and networks have."""
    for count, most in ((height, LARGEST_SIDE), (width, LARGEST_SIDE), *((one, MOST_CHANNELS) for one in channels)):
        if type(count) is not int or not 1 <= count <= most:
            raise ValueError(f"it has a size of {count!r}, and from 1 to {most} are possible")


class Block(nn.Module):
    """Convolution, pooling where asked for, batch normalisation without a factor, ReLU."""

    def __init__(self, inputs: int, outputs: int, pools: bool, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, size, stride, padding=(size - 1) // 2, bias=False)
        self.pool = nn.MaxPool2d(2) if pools else nn.Identity()
        self.norm = nn.BatchNorm2d(outputs, eps=NORM_EPS, momentum=NORM_MOMENTUM)
        self.norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.pool(self.convolution(x))))


class ConvolutionalNetwork(nn.Module):
    """Pictures ``(batch, height, width, channels)``, uint8 values 0 to 255 as uint8 or float → ``(batch, n_outputs)``.

    ``mean`` and ``deviation`` (of the training pictures, per channel, in units of 0 to 255) are buffers, so that a
    saved network takes pixels as they are. `look_at` sets them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, architecture: ConvolutionalArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.register_buffer("mean", torch.full((architecture.channels,), 127.5))
        self.register_buffer("deviation", torch.full((architecture.channels,), 64.0))
        size, stride = (4, 2) if architecture.stem == "strided" else (3, 1)
        pools = architecture.stem == "plain"
        self.stem = Block(architecture.channels, architecture.stem_channels, pools, size, stride)
        blocks, channels = [], architecture.stem_channels
        for layer in architecture.layers:
            blocks.append(Block(channels, layer.channels, layer.pools))
            channels = layer.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, architecture.n_outputs, bias=False)

    def initialise(self, generator: torch.Generator) -> None:
        """Initial weights from ``generator``: convolutions start as the identity (airbench, section 3)."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    bound = (3 / module.weight[0].numel()) ** 0.5
                    module.weight.uniform_(-bound, bound, generator=generator)
            for block in self.blocks:
                weight = block.convolution.weight  # type: ignore[union-attr]
                nn.init.dirac_(weight[: weight.shape[1]])  # type: ignore[index]
            self.head.weight.normal_(0, self.head.in_features**-0.5, generator=generator)

    def look_at(self, pixels: Tensor) -> None:
        """Take mean and deviation from training pictures, uint8 ``(n, height, width, channels)``."""
        with torch.no_grad():
            values = pixels.float()
            self.mean.copy_(values.mean((0, 1, 2)))
            self.deviation.copy_(values.std((0, 1, 2)).clamp(min=1.0))

    def _normalised(self, pixels: Tensor) -> Tensor:
        values = ((pixels.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)
        shrink = self.architecture.shrink
        return values if shrink == 1 else nn.functional.avg_pool2d(values, shrink)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """The maps after the stem and after every layer."""
        found = [self.stem(self._normalised(pixels))]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def features(self, pixels: Tensor) -> Tensor:
        """The largest value of each of the last maps, ``(batch, n_features)``."""
        return self.maps(pixels)[-1].amax((2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.features(pixels)) * self.architecture.head_scale  # type: ignore[no-any-return]

    def muon_parameters(self) -> Sequence[str]:
        """Filters of the layers; stem, norms and head are left to the other optimiser."""
        return [f"blocks.{i}.convolution.weight" for i in range(len(self.blocks))]

    def examples(self) -> tuple[Tensor]:
        """One picture, as `forward` takes them."""
        sizes = self.architecture.height, self.architecture.width, self.architecture.channels
        return (torch.zeros(1, *sizes, dtype=torch.uint8),)
