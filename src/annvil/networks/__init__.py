"""Networks: pure modules that take numbers and category codes, know their learning rates and write themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.networks.activations import Activation as Activation
    from annvil.networks.dense import DenseNetwork as DenseNetwork
    from annvil.networks.dropout import Dropout as Dropout
    from annvil.networks.embeddings import (
        CategoryEmbedding as CategoryEmbedding,
        PeriodicEmbedding as PeriodicEmbedding,
        PiecewiseLinearEmbedding as PiecewiseLinearEmbedding,
        quantile_edges as quantile_edges,
    )
    from annvil.networks.index import IndexNetwork as IndexNetwork
    from annvil.networks.shared import SharedEnsemble as SharedEnsemble

__getattr__, __all__ = lazily(__name__)
