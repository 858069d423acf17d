"""Networks: pure modules that take numbers and category codes, know their learning rates and write themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.networks.activations import Activation
    from annvil.networks.dense import DenseNetwork
    from annvil.networks.dropout import Dropout
    from annvil.networks.embeddings import (
        CategoryEmbedding,
        PeriodicEmbedding,
        PiecewiseLinearEmbedding,
        quantile_edges,
    )
    from annvil.networks.shared import SharedEnsemble

__all__ = [
    "Activation",
    "CategoryEmbedding",
    "DenseNetwork",
    "Dropout",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "SharedEnsemble",
    "quantile_edges",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Activation": "annvil.networks.activations",
        "CategoryEmbedding": "annvil.networks.embeddings",
        "DenseNetwork": "annvil.networks.dense",
        "Dropout": "annvil.networks.dropout",
        "PeriodicEmbedding": "annvil.networks.embeddings",
        "PiecewiseLinearEmbedding": "annvil.networks.embeddings",
        "SharedEnsemble": "annvil.networks.shared",
        "quantile_edges": "annvil.networks.embeddings",
    },
)
