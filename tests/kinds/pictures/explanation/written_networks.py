"""Networks whose weights are written by hand, so that what their answers rest on is known, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

SIDE = 28


class Templates(nn.Module):
    """Filters as large as the picture, their sums joined into one score; logits of two classes, 0 and the score.

    Parameters
    ----------
    filters : ``(n_filters, SIDE, SIDE)``, each of which gives about 1 where its evidence is there
    how : "sum", "either" (the largest), "both" (the smallest) or "layers" (through units with a threshold)
    scale, bias : of the score
    """

    def __init__(self, filters: np.ndarray, how: str, scale: float, bias: float) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.tensor(filters.reshape(len(filters), -1), dtype=torch.float32))
        self.how, self.scale, self.bias = how, scale, bias
        self.out = nn.Parameter(torch.ones(len(filters)))

    def forward(self, pixels: Tensor) -> Tensor:
        found = pixels.float().mean(dim=3).flatten(1) / 255 @ self.filters.T
        if self.how == "either":
            joined = found.amax(dim=1)
        elif self.how == "both":
            joined = found.amin(dim=1)
        else:
            joined = (torch.relu(found) if self.how == "layers" else found) @ self.out / len(self.out)
        score = self.scale * joined + self.bias
        return torch.stack([torch.zeros_like(score), score], dim=1)


class Detector(nn.Module):
    """Looks for a small shape anywhere: one convolution with a threshold, whose largest value speaks for the class."""

    def __init__(self, shape: np.ndarray, scale: float, bias: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(shape[None, None], dtype=torch.float32))
        self.scale, self.bias = scale, bias

    def forward(self, pixels: Tensor) -> Tensor:
        grey = pixels.float().mean(dim=3)[:, None] / 255
        maps = torch.relu(nn.functional.conv2d(grey, self.weight, padding="same"))
        score = self.scale * maps.amax(dim=(1, 2, 3)) + self.bias
        return torch.stack([torch.zeros_like(score), score], dim=1)


@dataclass(frozen=True)
class Case:
    """A network, a picture of its class 1, and which pixels the answer rests on ``(SIDE, SIDE)``."""

    name: str
    network: nn.Module
    pixels: np.ndarray
    truth: np.ndarray

    def losses(self, others: np.ndarray) -> np.ndarray:
        whole, left = (self.probability(p) for p in (self.pixels[None], others))
        return 1 - left / whole[0]

    def probability(self, pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self.network(torch.from_numpy(pixels)).softmax(dim=1)[:, 1].double().numpy()

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self.network(torch.from_numpy(pixels))[:, 1].double().numpy()


def _blob(rng: np.random.Generator, free: np.ndarray) -> np.ndarray:
    """A rectangle, disc or bar of 15 to 100 pixels inside of what is ``free``, bool ``(SIDE, SIDE)``."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    while True:
        row, column = rng.integers(2, SIDE - 2, 2)
        kind = rng.integers(3)
        if kind == 0:
            blob = (abs(rows - row) <= rng.integers(2, 5)) & (abs(columns - column) <= rng.integers(2, 5))
        elif kind == 1:
            blob = (rows - row) ** 2 + (columns - column) ** 2 <= rng.integers(3, 6) ** 2
        else:
            bar = (abs(rows - row) <= 1) & (abs(columns - column) <= 4)
            blob = bar if rng.random() < 0.5 else bar.T
        if blob.sum() >= 15 and free[blob].all():
            return np.asarray(blob)


def _around(blob: np.ndarray) -> np.ndarray:
    """The blob and the pixels next to it."""
    grown = np.pad(blob, 1)
    steps = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return np.asarray(np.any([np.roll(grown, step, (0, 1)) for step in steps], axis=0)[1:-1, 1:-1])


def case(how: str, seed: int) -> Case:
    """One network of a kind, with a picture of noise with bright things in it, some of which it looks for.

    Parameters
    ----------
    how : "sum", "either", "both", "layers" or "anywhere"
    """
    rng = np.random.default_rng(seed)
    ground = int(rng.integers(20, 100))
    pixels = np.clip(rng.normal(ground, rng.uniform(2, 20), (SIDE, SIDE, 1)), 0, 255).astype(np.uint8)
    certain, against = rng.uniform(3, 9), rng.uniform(1, 4)  # logits with the evidence, and without it
    free = np.zeros((SIDE, SIDE), bool)
    free[1:-1, 1:-1] = True
    if how == "anywhere":
        return _anywhere(rng, pixels, free, certain, against)
    shapes = []
    n_looked_for = int(rng.integers(1, 3))
    for _ in range(n_looked_for + int(rng.integers(1, 3))):
        shapes.append(_blob(rng, free))
        free &= ~_around(shapes[-1])
        pixels[shapes[-1], 0] = rng.integers(180, 256, int(shapes[-1].sum()))
    filters = []
    for shape in shapes[:n_looked_for]:
        filters.append(np.zeros((SIDE, SIDE)))
        weights = rng.uniform(0.5, 1.5, int(shape.sum()))
        filters[-1][shape] = weights / float((weights * (pixels[shape, 0] - ground)).sum()) * 255
    base = np.array([one.sum() * ground / 255 for one in filters])
    joined = {"either": base.max(), "both": base.min()}.get(how, base.mean())
    network = Templates(np.array(filters), how, certain + against, -against - (certain + against) * float(joined))
    return Case(how, network.eval(), pixels, np.any(shapes[:n_looked_for], axis=0))


def _anywhere(rng: np.random.Generator, pixels: np.ndarray, free: np.ndarray, certain: float, against: float) -> Case:
    """A cross among other things; its filter finds the bright parts of it and wants its corners dark."""
    size = int(rng.integers(5, 8)) // 2 * 2 + 1
    cross = np.zeros((size, size), bool)
    cross[size // 2] = cross[:, size // 2] = True
    top, left = rng.integers(2, SIDE - 1 - size, 2)
    truth = np.zeros((SIDE, SIDE), bool)
    truth[top : top + size, left : left + size] = cross
    box = np.zeros((SIDE, SIDE), bool)
    box[top : top + size, left : left + size] = True
    free &= ~_around(box)
    pixels[truth, 0] = rng.integers(200, 256, int(truth.sum()))
    for _ in range(int(rng.integers(1, 3))):
        other = _blob(rng, free)
        free &= ~_around(other)
        pixels[other, 0] = rng.integers(200, 256, int(other.sum()))
    weights = np.where(cross, 1 / cross.sum(), -1 / (~cross).sum())
    with torch.inference_mode():
        grey = torch.from_numpy(pixels[None, None, :, :, 0] / 255).float()
        maps = nn.functional.conv2d(grey, torch.tensor(weights[None, None], dtype=torch.float32), padding="same")
    maps = maps.clone()
    strong = float(maps.max())
    maps[0, 0, max(0, top - 1) : top + size + 1, max(0, left - 1) : left + size + 1] = 0
    weak = max(float(maps.max()), 0.0)
    scale = (certain + against) / (strong - weak)
    return Case("anywhere", Detector(weights, scale, certain - scale * strong).eval(), pixels, truth)
