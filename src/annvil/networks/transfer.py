"""A network that goes on from a trained one: its body, which may be of another size, under a head of its own.

The body brings pictures to about the size it learnt from: by two products with fixed matrices, so that memory, graph
and gradient do the same. Its batch norms keep the statistics they came with, in training too: a few dozen new pictures
would replace them by noise (usual in fine-tuning; see also Kornblith et al. 2019, arXiv 1805.08974, appendix A.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from annvil.errors import BundleError
from annvil.networks.bodies import Body
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, check_counts

LAYER_DECAY = 0.6
"""Factor of the learning rate from a layer to the one below it: lower layers know what is true of all pictures. ULMFiT
(Howard and Ruder 2018, section 3.2) divides by 2.6 in a deep network; ours has few layers (assumed)."""

NEAR_ENOUGH = 0.85
"""Pictures whose side is this share of the body's own, or its inverse, are taken as they are (assumed)."""

LEAST_SIDE = 8
"""Pictures are never made smaller than this on a side (assumed)."""


@dataclass(frozen=True)
class TransferArchitecture:
    """Everything but weights: the pictures' height, width and channels, the outputs, and the body's architecture."""

    height: int
    width: int
    channels: int
    n_outputs: int
    body: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """JSON-able; `from_json` reads it."""
        sizes = {"height": self.height, "width": self.width, "channels": self.channels, "n_outputs": self.n_outputs}
        return {"kind": "transfer", **sizes, "body": dict(self.body)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TransferArchitecture:
        """The architecture that `to_json` wrote; raises as that of a `ConvolutionalArchitecture` does."""
        height, width, channels, n_outputs = (int(values[n]) for n in ("height", "width", "channels", "n_outputs"))
        check_counts(height, width, channels, n_outputs)
        return cls(height, width, channels, n_outputs, dict(values["body"]))


class ConvolutionalBody(Body):
    """Stem and layers of a `ConvolutionalNetwork`, for pictures of any size and number of channels.

    Parameters
    ----------
    architecture : of the network that it goes on from
    height, width, channels : of the pictures to come
    """

    def __init__(self, architecture: ConvolutionalArchitecture, height: int, width: int, channels: int) -> None:
        super().__init__((height, width), working_size(height, width, architecture.height, architecture.width))
        own = replace(architecture, height=self.size[0], width=self.size[1], channels=channels, n_outputs=1)
        self.network = ConvolutionalNetwork(own)
        del self.network.head
        self.n_features = own.layers[-1].channels if own.layers else own.stem_channels

    def features(self, pixels: Tensor) -> Tensor:
        """The largest value of each of the last maps."""
        return self.network.features(self.resized(pixels).permute(0, 2, 3, 1) if self.resizes else pixels)

    def depths(self) -> dict[str, int]:
        """The last layer lies 1 below the head, the stem deepest."""
        last = len(self.network.blocks)
        found = {}
        for name, value in self.named_parameters():
            if value.requires_grad:
                parts = name.split(".")
                found[name] = last + 1 if parts[1] == "stem" else last - int(parts[2])
        return found


class TransferNetwork(nn.Module):
    """Pictures ``(batch, height, width, channels)`` → ``(batch, n_outputs)``: body, fixed standardisation, linear head.

    Parameters
    ----------
    architecture : its ``body`` names the kind of the body
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, architecture: TransferArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.body = body_of(architecture)
        n_features = self.body.n_features
        self.register_buffer("centre", torch.zeros(n_features))
        self.register_buffer("spread", torch.ones(n_features))
        self.head = nn.Linear(n_features, architecture.n_outputs)

    def train(self, mode: bool = True) -> TransferNetwork:
        """As of every module, but that the body keeps its statistics."""
        super().train(mode)
        self.body.eval()
        return self

    def features(self, pixels: Tensor) -> Tensor:
        """What the head sees, ``(batch, n_features)``, each about 0 on average with a deviation of 1."""
        return (self.body.features(pixels) - self.centre) / self.spread

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.features(pixels))  # type: ignore[no-any-return]

    def set_head(self, centre: Any, spread: Any, slopes: Any, intercepts: Any) -> None:
        """A head fitted elsewhere: ``slopes (n_features, n_outputs)`` of standardised features."""
        with torch.no_grad():
            for place, values in (
                (self.centre, centre),
                (self.spread, spread),
                (self.head.weight, np.asarray(slopes).T),
                (self.head.bias, intercepts),
            ):
                place.copy_(torch.from_numpy(np.array(values, dtype=np.float32)))

    def parameter_groups(self) -> dict[str, tuple[float, float]]:
        """Learning-rate and decay factors: full for the head, `LAYER_DECAY` less with every layer below it."""
        shapes = dict(self.named_parameters())
        groups = {f"body.{name}": LAYER_DECAY**depth for name, depth in self.body.depths().items()}
        groups |= {"head.weight": 1.0, "head.bias": 1.0}
        return {name: (rate, float(shapes[name].dim() >= 2)) for name, rate in groups.items()}

    def examples(self) -> tuple[Tensor]:
        """One picture, as `forward` takes them."""
        sizes = self.architecture.height, self.architecture.width, self.architecture.channels
        return (torch.zeros(1, *sizes, dtype=torch.uint8),)


def body_of(architecture: TransferArchitecture) -> Body:
    """The body of that architecture, its weights yet to come.

    Raises
    ------
    BundleError
        When the kind of the body is unknown.
    """
    body, sizes = architecture.body, (architecture.height, architecture.width, architecture.channels)
    kind = body.get("kind")
    if kind == "convolutional":
        return ConvolutionalBody(ConvolutionalArchitecture.from_json(body), *sizes)
    if kind == "backbone":
        from annvil.networks.backbones import BackboneBody

        return BackboneBody(body, *sizes)
    raise BundleError(f"A network of the kind {str(kind)[:40]!r} is no body to go on from; upgrade annvil.")


def body_weights(
    architecture: Mapping[str, Any], weights: Mapping[str, NDArray[Any]], channels: int
) -> tuple[Mapping[str, Any], dict[str, NDArray[Any]]]:
    """The body's architecture and weights in a saved network, for pictures of so many channels.

    Grey filters become coloured by thirds, coloured ones grey by sums: what a grey picture says stays the same.

    Raises
    ------
    BundleError
        When the network is of a kind that nothing can go on from.
    """
    kind = architecture.get("kind")
    if kind == "transfer":
        inner = {n.removeprefix("body."): v for n, v in weights.items() if n.startswith("body.")}
        body = dict(architecture["body"])
        if body.get("kind") == "convolutional":
            body["channels"] = architecture["channels"]
            inner = {n.removeprefix("network."): v for n, v in inner.items() if n.startswith("network.")}
        return body_weights(body, inner, channels)
    if kind == "backbone":
        return architecture, dict(weights)
    if kind != "convolutional":
        raise BundleError(
            f"A network of the kind {str(kind)[:40]!r} is none for pictures; there is nothing to go on from."
        )
    found = {f"network.{n}": np.asarray(v) for n, v in weights.items() if not n.startswith("head.")}
    if int(architecture["channels"]) != channels:
        stem = found["network.stem.convolution.weight"]
        grey = stem.sum(axis=1, keepdims=True)
        found["network.stem.convolution.weight"] = (
            grey if channels == 1 else np.repeat(grey / channels, channels, axis=1)
        )
        for name in ("network.mean", "network.deviation"):
            found[name] = np.full(channels, found[name].mean(), dtype=np.float32)
    return dict(architecture), found


def working_size(height: int, width: int, own_height: int, own_width: int) -> tuple[int, int]:
    """The size in which a body sees pictures: their aspect kept, about as many pixels as it learnt from.

    >>> working_size(28, 28, 32, 32), working_size(8, 8, 32, 32), working_size(64, 128, 32, 32)
    ((28, 28), (32, 32), (23, 45))
    """
    factor = (own_height * own_width / (height * width)) ** 0.5
    if NEAR_ENOUGH <= factor <= 1 / NEAR_ENOUGH:
        return height, width
    return max(LEAST_SIDE, round(height * factor)), max(LEAST_SIDE, round(width * factor))


_OWN = ("rows", "columns", "mean", "deviation")
"""Buffers of a body itself that follow from its architecture and the pictures, and are not taken over."""


def transfer_network(
    start: tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]], shape: Sequence[int], n_outputs: int
) -> TransferNetwork:
    """A network on the body of a saved one (its architecture and weights), for pictures of ``shape``.

    Raises
    ------
    BundleError
        When the weights are not those of the architecture.
    """
    height, width, channels = shape
    try:
        check_counts(height, width, channels, n_outputs)
        body, weights = body_weights(*start, channels)
        network = TransferNetwork(TransferArchitecture(height, width, channels, n_outputs, body))
        state = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
        own = {name: value for name, value in network.body.state_dict().items() if name in _OWN}
        network.body.load_state_dict(state | own, assign=network.centre.is_meta)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()[:200].rstrip(".")
        raise BundleError(f"The saved weights are not those of the network beside them: {reason}.") from None
    return network


def check_start(architecture: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> None:
    """Return if a network can go on from these weights; none of its numbers is allocated.

    Raises
    ------
    BundleError
        When the architecture is none, or the weights are not those of it.
    """
    body = architecture.get("body", architecture)
    if isinstance(body, Mapping) and body.get("kind") == "backbone":
        return  # transformers build it when it is used, from a configuration with bounds
    with torch.device("meta"):
        transfer_network((architecture, weights), [architecture.get(n, 0) for n in ("height", "width", "channels")], 1)
