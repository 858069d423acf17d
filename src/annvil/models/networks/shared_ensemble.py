"""Shared ensembles: TabM, members that share most weights of one network (Gorishniy et al. 2024, arXiv 2410.24210)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from annvil.models.jobs import Shape
from annvil.models.networks.family import TrainingData
from annvil.models.networks.recipe import FEW_ROWS, HALVING, PATIENCE, Settings, batch_size, epochs_for
from annvil.models.networks.table_family import Sizes, TableFamily, TableNetworks

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.training import Recipe

MEMBERS = 4
"""Members of a network; TabM has 32. With five inner folds averaged, 4 do as well as 8 at half the cost (measured)."""

EMBEDDING_SIZE = 8


class SharedFamily(TableFamily):
    """TabM with piecewise linear embeddings, in two small layers, for two cores."""

    name = "shared"
    heads = MEMBERS

    def portfolio(self, is_classification: bool, n_rows: int) -> tuple[Settings, ...]:
        """Learning rate and dropout; the embedding is the same for all."""
        rows = [(1.5e-2, 3e-4, 0.05), (5e-3, 3e-2, 0.2), (4e-2, 3e-4, 0.05), (1.5e-2, 3e-2, 0.3)]
        return tuple(
            Settings(number=number, learning_rate=rate, weight_decay=decay, dropout=dropout)
            for number, (rate, decay, dropout) in enumerate(rows)
        )

    def bins(self, sizes: Sizes) -> int:
        """More where there are rows to fill them; 48 is TabM's."""
        return min(48, max(8, sizes.n_rows // 64))

    def build(self, sizes: Sizes, settings: Settings, sample: tuple[Tensor, Tensor], seed: int) -> nn.Module:
        """Embedded numbers, shared layers, a head for each member."""
        import torch

        from annvil.networks import PiecewiseLinearEmbedding, SharedEnsemble

        generator = torch.Generator().manual_seed(seed)
        embedding = PiecewiseLinearEmbedding(sizes.edges, generator, size=EMBEDDING_SIZE) if sizes.edges else None
        return SharedEnsemble(
            sizes.n_numbers,
            sizes.cardinalities,
            sizes.n_outputs,
            generator,
            k=MEMBERS,
            mini=True,
            widths=self.hidden(sizes, settings),
            embedding=embedding,
            embedded=sizes.n_continuous if embedding is not None else 0,
            dropout=settings.dropout,
        )

    def recipe(self, data: TrainingData, settings: Settings, scale: float) -> Recipe:
        """One cosine instead of TabM's constant rate, so that few epochs suffice; its gradient clipping."""
        from annvil.training import Recipe

        batch = settings.batch_size or batch_size(data.sizes.n_rows)
        epochs = settings.epochs or self.epochs(data.sizes.n_rows, scale)
        return Recipe(
            epochs=epochs,
            batch_size=batch,
            schedule="coslog",
            clip_norm=1.0,
            patience=math.ceil(PATIENCE * epochs),
            halving=HALVING,
        )

    def epochs(self, n_rows: int, scale: float) -> int:
        """16 for 6400 rows: half of what dense networks get, at more than twice the cost of each."""
        return epochs_for(n_rows, 16, scale)

    def core_seconds_per_row(self, shape: Shape) -> float:
        """Measured with the defaults on one core (decision 0030)."""
        micros = 7.5 + 0.33 * (shape.n_numbers + shape.n_texts) + 0.003 * shape.n_levels
        return micros * 1e-6 * (0.6 if shape.n_rows < FEW_ROWS else 1.0)


class SharedEnsembles(TableNetworks):
    """The candidate that the inner splits prefer, averaged over its members and the inner splits."""

    name = "shared-ensemble"
    title = "TabM ensemble"
    networks = SharedFamily()
