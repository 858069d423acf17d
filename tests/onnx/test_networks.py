"""Annvil's own networks on 10,000 rows, one graph for every batch size, with the operators that a bundle may hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.onnx.parity import ROWS, check
from torch import nn

from annvil.networks import DenseNetwork, PeriodicEmbedding, PiecewiseLinearEmbedding, SharedEnsemble, quantile_edges
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer, Stem
from annvil.onnx.validator import check_graph

DRAW = torch.Generator().manual_seed(0)
NUMBERS = torch.randn(ROWS, 7, generator=DRAW)
CODES = torch.stack([torch.randint(0, n, (ROWS,), generator=DRAW) for n in (3, 11)], 1)


def piecewise(columns: int) -> PiecewiseLinearEmbedding:
    return PiecewiseLinearEmbedding(quantile_edges(NUMBERS[:, :columns].numpy(), 6), DRAW, size=4)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "dense": lambda: DenseNetwork(7, [3, 11], 2, DRAW, widths=(12, 10), dropout=0.1),
    "periodic": lambda: DenseNetwork(7, [3, 11], 2, DRAW, embedding=PeriodicEmbedding(5, DRAW), embedded=5),
    "many columns": lambda: DenseNetwork(
        7, [3, 11], 2, DRAW, widths=(9,), embedding=PeriodicEmbedding(7, DRAW, frequencies=64, size=33), embedded=7
    ),
    "piecewise, Mish": lambda: DenseNetwork(
        7, [3, 11], 2, DRAW, widths=(12,), embedding=piecewise(7), embedded=7, activation="mish"
    ),
    "TabM": lambda: SharedEnsemble(7, [3, 11], 2, DRAW, widths=(12, 10), k=4),
    "TabM-mini, piecewise": lambda: SharedEnsemble(
        7, [3, 11], 2, DRAW, widths=(12, 10), k=4, mini=True, embedding=piecewise(5), embedded=5
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_for_tables(name: str) -> None:
    network = NETWORKS[name]()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=DRAW) * 0.3)
    check_graph(check(network, NUMBERS, CODES))


@pytest.mark.parametrize("stem", ["small", "plain", "strided"])
def test_networks_for_pictures(stem: Stem) -> None:
    network = ConvolutionalNetwork(ConvolutionalArchitecture(8, 9, 3, 4, stem, 5, (Layer(6, pools=True), Layer(8))))
    network.initialise(DRAW)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (ROWS, 8, 9, 3), dtype=np.uint8))
    network.look_at(pixels[:500])
    network.train()(pixels[:500])  # gives batch normalisation statistics of its own
    check_graph(check(network, pixels))
