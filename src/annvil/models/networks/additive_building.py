"""Between knots and networks: what knots, levels and pairs are like as tensors, and the tables that a network is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from annvil.models.networks.additive_start import start
from annvil.models.networks.additive_tables import EffectTables
from annvil.preparation import TargetScaling
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from annvil.models.networks.additive_settings import AdditiveSettings, AdditiveSizes
    from annvil.networks.additive import AdditiveNetwork

LENGTH, NUGGET = 0.1, 0.1
"""Of the covariance between knots: how far, as a share of all, effects are alike, and the variance of a jump (chosen on
training parts of adult and california_housing)."""

LINE = 2.0
"""Prior deviation of a straight line and of the effect of a level, in that of a smooth effect (assumed): so what is
penalised much is like a linear model."""

FEW = 10.0
"""Rows of which an effect is as much as none, and as much their own (assumed)."""


def build(sizes: AdditiveSizes, settings: AdditiveSettings, split: int, seed: int) -> AdditiveNetwork:
    """A network that begins with a penalised fit of the split's training rows."""
    import torch

    from annvil.networks.additive import AdditiveNetwork

    knots, density = sizes.knots.knots, sizes.density
    signs, n_numbers = dict(settings.monotone), sum(one.is_number for one in sizes.knots.knots)
    width = max((one.n_slots for one in knots if one.is_number), default=1)
    blocks = max(n_numbers, 1)  # the engine records no empty arrays
    coarse = max(one.n_coarse for one in knots)
    points, has_curve, is_step = (np.zeros((blocks, width)) for _ in range(3))
    basis, pair_basis = np.zeros((blocks, width, width)), np.zeros((len(knots), coarse, coarse))
    level_scale: list[FloatArray] = []
    for j, (one, mass) in enumerate(zip(knots, density.slots, strict=True)):
        n, m, coarse_mass = one.n_slots, one.n_coarse, one.refinement().T @ mass
        pair_basis[j, np.arange(m), np.arange(m)] = _seen(coarse_mass, sizes.n_rows)
        wanted = settings.columns is None or one.name in settings.columns
        if not one.is_number:
            level_scale.append(LINE * _seen(mass, sizes.n_rows) * wanted)
            continue
        rank, sign = _ranks(mass[:-1]), signs.get(one.columns[0], 0)
        points[j, : n - 1] = 4 * rank - 2
        basis[j, n - 1, n - 1] = _seen(mass, sizes.n_rows)[-1]
        if sign and len(one.columns) == 1:
            basis[j, : n - 1, : n - 1] = sign * np.tril(np.ones((n - 1, n - 1))) / np.sqrt(n)
            is_step[j, : n - 1] = 1.0
        else:
            has_curve[j, : n - 1] = wanted
            basis[j, : n - 1, : n - 1] = _root(rank, *(_line(at, mass[:-1]) for at in (one.points, rank)))
        basis[j] *= wanted
        pair_basis[j, : m - 1, : m - 1] = _root(_ranks(coarse_mass[:-1]))
    sizes_of = [len(scale) for scale in level_scale]
    first = [*(np.arange(n_numbers) * width), *(blocks * width + np.cumsum([0, *sizes_of])[: len(sizes_of)])]

    def tensor(values: FloatArray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32))

    pairs = torch.tensor(sizes.pairs(settings, split), dtype=torch.int64).reshape(-1, 2)
    network = AdditiveNetwork(
        tensor(points),
        tensor(has_curve),
        tensor(basis),
        tensor(is_step) if signs else None,
        tensor(np.concatenate(level_scale or [np.zeros(1)])),
        torch.tensor([int(place) for place in first], dtype=torch.int64),
        tensor(pair_basis),
        pairs,
        tensor(_bias(sizes, split)),
        torch.Generator().manual_seed(seed),
        is_binary=sizes.task.predicts_probabilities and sizes.n_scores == 1,
    )

    start(network, sizes, settings, split)
    return network


def _seen(mass: FloatArray, n_rows: int) -> FloatArray:
    """What shrinks effects of few rows: from 0 without any to 1."""
    return np.asarray(np.sqrt(mass * n_rows / (mass * n_rows + FEW)))


def _ranks(mass: FloatArray) -> FloatArray:
    """Where knots lie, from 0 to 1: half by their mass of rows, half by their number."""
    by_mass = (np.cumsum(mass) - mass / 2) / max(mass.sum(), 1e-12)
    return np.asarray((by_mass + (np.arange(len(mass)) + 0.5) / len(mass)) / 2)


def _line(at: FloatArray, mass: FloatArray) -> FloatArray:
    """A straight line through knots, of deviation 1 over the rows, held within three of them."""
    at, share = at / max(np.abs(at).max(), 1e-300), mass / max(mass.sum(), 1e-12)
    mean = share @ at
    spread = np.sqrt(share @ (at - mean) ** 2)
    return np.asarray(np.clip((at - mean) / max(spread, 1e-300), -3, 3))


def _root(rank: FloatArray, *lines: FloatArray) -> FloatArray:
    """The symmetric root of the covariance between knots: lines, what is alike over `LENGTH`, and jumps."""
    covariance = np.exp(-np.abs(rank[:, None] - rank[None, :]) / LENGTH) + NUGGET * np.eye(len(rank))
    for line in lines:
        covariance += LINE**2 / len(lines) * np.outer(line, line)
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _bias(sizes: AdditiveSizes, split: int) -> FloatArray:
    """Scores of the base rates among the split's training rows."""
    train, _ = sizes.splits[split]
    y, weights = sizes.y[train], sizes.weights[train]
    if not sizes.task.predicts_probabilities:
        return np.array([np.average(y, weights=weights)])
    counts = np.bincount(y.astype(np.int64), weights, sizes.task.n_outputs) + 0.5
    logs = np.log(counts / counts.sum())
    return np.asarray(logs[1:] - logs[0] if len(logs) == 2 else logs - logs.mean())


def tables_of(sizes: AdditiveSizes, network: AdditiveNetwork, target: TargetScaling | None) -> EffectTables:
    """What a network's effects are at the knots, in float64 and in the target's unit."""
    import torch

    unit = 1.0 if target is None else target.scale
    with torch.inference_mode():
        effects = network.effects().double().numpy() * unit
        grids = network.interactions().double().numpy() * unit if network.grid is not None else ()
        base = network.bias.double().numpy() * unit + (0.0 if target is None else target.mean)
    knots = sizes.knots.knots
    pairs = {
        (int(a), int(b)): grid[: knots[a].n_coarse, : knots[b].n_coarse]
        for (a, b), grid in zip(network.pairs.tolist(), grids, strict=True)
    }
    starts = network.first.tolist()
    each = tuple(effects[start : start + one.n_slots] for start, one in zip(starts, knots, strict=True))
    return EffectTables(base, each, pairs)
