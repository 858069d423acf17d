"""Which parts of a picture a prediction rests on: integrated gradients, Grad-CAM, occlusion.

The first two look into a network; occlusion asks any model. All maps are signed or zero, ``(height, width)`` float64:
what is positive speaks for the explained class. A map is a claim; `annvil.kinds.pictures.explanation.faithfulness`
tests it.

*Integrated gradients*: Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks" (ICML 2017, arXiv
1703.01365), section 3. Departures: midpoints of equal steps, doubled until the sum of the map is what it must be (their
axiom of completeness); the baseline is a plain picture in the mean colour of the picture's border, so that pixels of
that colour have no share by construction.

*Grad-CAM*: Selvaraju et al. (ICCV 2017, arXiv 1610.02391), section 3: the last maps, weighted by their mean gradient,
positive part, enlarged bilinearly.

*Occlusion*: Zeiler and Fergus (ECCV 2014, arXiv 1311.2901), section 4.2, with overlapping squares in the colour of the
border; a pixel's value is the mean loss of log-odds over the squares that covered it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Method = Literal["integrated-gradients", "grad-cam", "occlusion"]
Pixels = NDArray[np.uint8]

Scores = Callable[[Pixels], FloatArray]
"""Pictures uint8 ``(n, height, width, channels)`` → one number each ``(n,)``, larger for more of what is explained."""

Choose = Callable[["Tensor"], "Tensor"]
"""A network's outputs ``(n, n_outputs)`` → the number that is explained ``(n,)``."""

TITLES: dict[Method, str] = {
    "integrated-gradients": "Integrated gradients",
    "grad-cam": "Grad-CAM",
    "occlusion": "Occlusion",
}

COMPLETE = 1e-3
"""Largest difference between the sum of integrated gradients and what it must be, as a share of the range of the
network's output along the path."""

FEWEST_POINTS, MOST_POINTS = 32, 4096
"""Points of the path: doubled from the first to the second until `COMPLETE`. Measured on clothes of 28 × 28: 128 to 512
for most, 2048 for one in twenty."""

MOST_VALUES = 2**27
"""Values of all pictures on the path together, which bounds its points for large pictures (assumed: a minute)."""

POINTS_AT_ONCE = 32
"""Points of the path in one pass (assumed: more need memory and gain nothing)."""

SQUARES_ACROSS = 14
"""Steps of the covering square along the shorter side; it is two steps wide (assumed: 28 pixels give squares of 4)."""


@dataclass(frozen=True)
class Saliency:
    """A map ``(height, width)`` of what speaks for (positive) and against (negative) an output.

    ``complete_within``: of integrated gradients, how far the sum is from what it must be, as a share of the range.
    """

    method: Method
    values: FloatArray
    complete_within: float | None = None

    @property
    def title(self) -> str:
        """The method's name for people."""
        return TITLES[self.method]


def plain(pixels: Pixels) -> Pixels:
    """A picture of the same shape in the mean colour of the border of ``pixels (height, width, channels)``."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    colour = border.astype(np.float64).mean(axis=0).round().astype(np.uint8)
    return np.broadcast_to(colour, pixels.shape).copy()


def integrated_gradients(
    network: nn.Module,
    pixels: Pixels,
    choose: Choose,
    *,
    most_points: int | None = None,
) -> Saliency:
    """What each pixel adds to the output on the way from the `plain` picture to ``pixels``, channels added up.

    Parameters
    ----------
    network : float ``(n, height, width, channels)`` of 0 to 255 → logits or values ``(n, n_outputs)``, in evaluation
        mode
    pixels : uint8 ``(height, width, channels)``
    choose : the number of the network's outputs that is explained
    most_points : where doubling ends; default: `MOST_POINTS`, fewer for large pictures
    """
    start = plain(pixels).astype(np.float64)
    way = pixels.astype(np.float64) - start
    if most_points is None:
        most_points = min(MOST_POINTS, max(FEWEST_POINTS, MOST_VALUES // pixels.size))
    n_points = min(FEWEST_POINTS, most_points)
    while True:
        gradient, outputs = _along(network, start, way, (np.arange(n_points) + 0.5) / n_points, choose)
        _, ends = _along(network, start, way, np.array([0.0, 1.0]), choose)
        shares = gradient * way
        spread = float(np.ptp(np.concatenate([outputs, ends])))
        defect = abs(float(shares.sum() - (ends[1] - ends[0]))) / spread if spread > 0 else 0.0
        if defect <= COMPLETE or 2 * n_points > most_points:
            return Saliency("integrated-gradients", shares.sum(axis=2), defect)
        while 2 * n_points <= most_points and defect > COMPLETE:  # at best the error falls as points are added
            n_points, defect = 2 * n_points, defect / 2


def _along(
    network: nn.Module, start: FloatArray, way: FloatArray, places: FloatArray, choose: Choose
) -> tuple[FloatArray, FloatArray]:
    """At ``places`` of the way: the mean of the gradients ``(height, width, channels)``, and the outputs."""
    import torch

    total, found = np.zeros_like(way), []
    for first in range(0, len(places), POINTS_AT_ONCE):
        some = places[first : first + POINTS_AT_ONCE, None, None, None]
        points = torch.from_numpy((start + some * way).astype(np.float32)).requires_grad_()
        with torch.enable_grad():
            outputs = choose(network(points))
            gradients = torch.autograd.grad(outputs.sum(), points)[0]
        total += gradients.double().sum(dim=0).numpy()
        found.append(outputs.detach().double().numpy())
    return total / len(places), np.concatenate(found)


def grad_cam(network: nn.Module, pixels: Pixels, choose: Choose) -> Saliency | None:
    """The last maps, each weighted by its mean gradient, positive part; None where a network has no maps.

    Parameters as of `integrated_gradients`.
    """
    import torch
    from torch.nn import functional

    maps = last_maps(network, pixels)
    if maps is None:
        return None
    kept: list[Tensor] = []
    hook = maps.register_forward_hook(lambda module, inputs, result: kept.append(result))
    try:
        with torch.enable_grad():
            picture = torch.from_numpy(pixels[None].astype(np.float32)).requires_grad_()
            value = choose(network(picture)).sum()
            gradient = torch.autograd.grad(value, kept[-1])[0]
    finally:
        hook.remove()
    weighted = (gradient.mean(dim=(2, 3), keepdim=True) * kept[-1].detach()).sum(dim=1, keepdim=True).relu()
    enlarged = functional.interpolate(weighted, size=pixels.shape[:2], mode="bilinear", align_corners=False)
    return Saliency("grad-cam", enlarged[0, 0].double().numpy())


def last_maps(network: nn.Module, pixels: Pixels) -> nn.Module | None:
    """The module that is last to give maps ``(1, channels, height, width)`` of more than one place, or None."""
    import torch

    seen: list[nn.Module] = []

    def look(module: nn.Module, inputs: Any, result: Any) -> None:
        if isinstance(result, torch.Tensor) and result.dim() == 4 and min(result.shape[2:]) > 1:
            seen.append(module)

    hooks = [module.register_forward_hook(look) for module in network.modules() if module is not network]
    try:
        with torch.no_grad():
            network(torch.from_numpy(pixels[None]))
    finally:
        for hook in hooks:
            hook.remove()
    return seen[-1] if seen else None


def occlusion(scores: Scores, pixels: Pixels) -> Saliency:
    """What the score loses where a square is covered, averaged over the squares that cover a pixel.

    Parameters
    ----------
    scores : of any model; see `Scores`
    pixels : uint8 ``(height, width, channels)``
    """
    height, width = pixels.shape[:2]
    step = max(1, min(height, width) // SQUARES_ACROSS)
    side = min(2 * step, height, width)
    corners = [(top, left) for top in _starts(height, side, step) for left in _starts(width, side, step)]
    blank = plain(pixels)
    covered = np.repeat(pixels[None], len(corners), axis=0)
    for picture, (top, left) in zip(covered, corners, strict=True):
        picture[top : top + side, left : left + side] = blank[top : top + side, left : left + side]
    losses = scores(pixels[None])[0] - scores(covered)
    total, times = np.zeros((height, width)), np.zeros((height, width))
    for loss, (top, left) in zip(losses, corners, strict=True):
        total[top : top + side, left : left + side] += loss
        times[top : top + side, left : left + side] += 1
    return Saliency("occlusion", total / times)


def _starts(length: int, side: int, step: int) -> list[int]:
    """Where squares begin, so that the last one ends at the edge."""
    return [*range(0, length - side, step), length - side]
