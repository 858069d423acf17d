"""What the layers of a convolutional network show: its first filters, and what they make of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from annvil.kinds.pictures.explanation.render import enlarged, grid
from annvil.kinds.pictures.explanation.saliency import Pixels
from annvil.sections import Picture, Section, png
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_FILTERS, MOST_MAPS = 64, 16
"""Filters and maps of a layer that are shown, the strongest first (assumed)."""

MOST_LAYERS = 6
"""Layers whose maps are shown, spread over all (assumed)."""

BETWEEN = (176, 196, 222)
"""Colour between filters and between maps, which are black, grey and white themselves."""

LEVEL = 0.5
"""Share of a filter's squares that one sort must have to be called that sort (assumed)."""


def filters_and_maps(network: nn.Module, pixels: Pixels, more: Pixels) -> Section | None:
    """The first filters, and the strongest maps of each layer for one picture; None where there is no convolution.

    Parameters
    ----------
    network : in evaluation mode
    pixels : uint8 ``(height, width, channels)``, the picture whose maps are shown
    more : uint8 ``(n, height, width, channels)``, among which a map that is never above 0 counts as dead
    """
    filters = first_filters(network)
    if filters is None:
        return None
    layers = layer_maps(network, pixels[None])
    pictures = [
        Picture(png(painted_filters(filters)), f"{len(filters)} filters of the first layer", sized=True),
        Picture(png(enlarged(pixels, 112)), "The picture", sized=True),
    ]
    for place in np.unique(np.linspace(0, len(layers) - 1, min(len(layers), MOST_LAYERS)).round().astype(np.int64)):
        maps = layers[place][0]
        n, height, width = maps.shape
        shown = f"{min(n, MOST_MAPS)} strongest of {n}" if n > MOST_MAPS else f"{n}"
        caption = f"Layer {place + 1}: {shown} maps of {width} × {height}"
        pictures.append(Picture(png(painted_maps(maps)), caption, sized=True))
    dead = [(maps.max(axis=(0, 2, 3)) <= 0) for maps in layer_maps(network, more)]
    told = [f"{one.sum()} of {len(one)} in layer {place}" for place, one in enumerate(dead, 1) if one.any()]
    sentences = (
        _sorts_in_words(filters),
        f"Maps that stay at zero on all of {len(more):,} pictures, and so do nothing: {', '.join(told)}."
        if told
        else f"No map stays at zero on all of {len(more):,} pictures: every filter is used.",
        (
            "Grey in a filter is nothing, light adds, dark subtracts. In a map light is strong; each has its own "
            "scale. Early layers keep the shapes of the picture, later ones tell only whether something is there."
        ),
    )
    return Section("filters-and-maps", "Filters and feature maps", sentences, tuple(pictures), order=40)


def first_filters(network: nn.Module) -> FloatArray | None:
    """The weights of the first convolution that sees the picture, ``(n, channels, height, width)``, or None."""
    from torch import nn

    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.in_channels in (1, 3):
            return np.asarray(module.weight.detach().double().numpy())
    return None


def layer_maps(network: nn.Module, pixels: Pixels) -> list[NDArray[np.float32]]:
    """The maps after each layer that gives some, ``(n, channels, height, width)``: one for each convolution, as they
    are before the next one."""
    import torch
    from torch import nn

    entering: list[Tensor] = []
    last: list[Tensor] = []

    def enters(module: nn.Module, inputs: Any) -> None:
        entering.append(inputs[0].detach())

    def leaves(module: nn.Module, inputs: Any, result: Any) -> None:
        if isinstance(result, torch.Tensor) and result.dim() == 4:
            last[:] = [result.detach()]

    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [module.register_forward_pre_hook(enters) for module in convolutions]
    hooks += [module.register_forward_hook(leaves) for module in network.modules() if module is not network]
    try:
        with torch.no_grad():
            network(torch.from_numpy(np.array(pixels)))
    finally:
        for hook in hooks:
            hook.remove()
    return [maps.numpy() for maps in [*entering[1:], *last]]


def last_features(network: Any, pixels: Pixels) -> FloatArray:
    """What the last layer of a network for pictures is told of uint8 ``(n, height, width, channels)``: float64
    ``(n, n_features)``."""
    import torch

    with torch.inference_mode():
        parts = [network.features(part).double().numpy() for part in torch.split(torch.from_numpy(pixels), 64)]
    return np.concatenate(parts)


def sorts(filters: FloatArray) -> tuple[int, int, int]:
    """How many filters look for brightness (weights of one sign), for colour (channels against each other) and for
    edges or texture (places against each other): whichever has most of the squares."""
    square = np.square(filters).sum(axis=(1, 2, 3)) + 1e-12
    n_values = filters[0].size
    brightness = np.square(filters.sum(axis=(1, 2, 3))) / n_values / square
    by_channel = filters.sum(axis=(2, 3))
    colour = np.square(by_channel).sum(axis=1) / filters[0, 0].size / square - brightness
    is_bright = brightness >= LEVEL
    is_coloured = ~is_bright & (colour >= LEVEL)
    return int(is_bright.sum()), int(is_coloured.sum()), int((~is_bright & ~is_coloured).sum())


def _sorts_in_words(filters: FloatArray) -> str:
    bright, coloured, edges = sorts(filters)
    counts = ((edges, "edges or texture"), (bright, "brightness"), (coloured, "colour"))
    parts = listed([f"{n} look for {what}" for n, what in counts if n])
    return f"Of the {len(filters)} filters of the first layer {parts}."


def painted_filters(filters: FloatArray, side: int = 40) -> Pixels:
    """Filters as small pictures, 0 in grey, each at full contrast."""
    some = filters[:MOST_FILTERS].transpose(0, 2, 3, 1)
    return _tiled([127.5 + 127.5 * one / max(float(np.abs(one).max()), 1e-12) for one in some], side)


def painted_maps(maps: NDArray[np.float32], side: int = 56) -> Pixels:
    """The strongest maps of a picture, each from 0 (dark) to its largest value (light)."""
    order = np.sort(np.argsort(-maps.mean(axis=(1, 2)), kind="stable")[:MOST_MAPS])
    return _tiled([255 * np.maximum(one, 0) / max(float(one.max()), 1e-12) for one in maps[order, :, :, None]], side)


def _tiled(pictures: Sequence[NDArray[Any]], side: int) -> Pixels:
    """Values of 0 to 255 ``(height, width, channels)`` each, in rows of eight."""
    tiles = [enlarged(values.round().astype(np.uint8), side) for values in pictures]
    return grid(tiles, columns=min(8, len(tiles)), gap=4, ground=BETWEEN)
