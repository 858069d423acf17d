"""Dense networks: the best of a population of candidates, averaged over the inner splits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from annvil.models.jobs import Shape
from annvil.models.networks.family import TrainingData
from annvil.models.networks.recipe import FEW_ROWS, HALVING, PATIENCE, Settings, batch_size, epochs_for
from annvil.models.networks.table_family import Sizes, TableFamily, TableNetworks

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.training import Recipe

EMBEDDING_FREQUENCIES = 16
EMBEDDING_SIZE = 4
MOST_EMBEDDED = 256
"""Beyond so many continuous columns they go in as they are (assumed): embedding them would cost more than the rest."""


class DenseFamily(TableFamily):
    """RealMLP in two small layers, for two cores."""

    name = "dense"

    def portfolio(self, is_classification: bool, n_rows: int) -> tuple[Settings, ...]:
        """Frequencies first: on tables they decide most (measured). Few rows want smaller steps."""
        few = n_rows < FEW_ROWS
        rate = (0.02 if few else 0.08) if is_classification else (0.1 if few else 0.2)
        dropout, strong_decay = (0.15, 0.2) if is_classification else (0.05, 0.05)
        rows = [
            # frequency, factor of the learning rate, dropout, weight decay
            (1.0, 1.0, dropout, 0.02),
            (0.1, 1.0, dropout, 0.02),
            (0.3, 0.5, 0.35, strong_decay),
            (3.0, 1.0, dropout, 0.02),
            (0.03, 1.0, dropout, 0.02),
            (1.0, 0.5, 0.35, 0.02),
            (0.1, 0.5, 0.05, strong_decay),
            (0.3, 2.0, 0.05, 0.02),
        ]
        return tuple(
            Settings(
                number=number,
                learning_rate=round(rate * factor, 6),
                weight_decay=decay,
                dropout=rate_of_dropout,
                frequency=frequency,
            )
            for number, (frequency, factor, rate_of_dropout, decay) in enumerate(rows)
        )

    def build(self, sizes: Sizes, settings: Settings, sample: tuple[Tensor, Tensor], seed: int) -> nn.Module:
        """Embedded numbers, a trained scale, SiLU; weights and biases fitted to the rows given."""
        import torch

        from annvil.networks import DenseNetwork, PeriodicEmbedding

        generator = torch.Generator().manual_seed(seed)
        embedded = sizes.n_continuous if sizes.n_continuous <= MOST_EMBEDDED else 0
        embedding = None
        if embedded:
            embedding = PeriodicEmbedding(
                embedded,
                generator,
                frequencies=EMBEDDING_FREQUENCIES,
                size=EMBEDDING_SIZE,
                scale=settings.frequency,
            )
        network = DenseNetwork(
            sizes.n_numbers,
            sizes.cardinalities,
            sizes.n_outputs,
            generator,
            widths=self.hidden(sizes, settings),
            activation="silu",
            parametric=False,
            embedding=embedding,
            embedded=embedded,
            dropout=settings.dropout,
        )
        network.fit_initial_weights(*sample, generator)
        return network

    def recipe(self, data: TrainingData, settings: Settings, scale: float) -> Recipe:
        """RealMLP's schedules; batches by rows."""
        from annvil.training import Recipe

        batch = settings.batch_size or batch_size(data.sizes.n_rows)
        epochs = settings.epochs or self.epochs(data.sizes.n_rows, scale)
        return Recipe(
            epochs=epochs,
            batch_size=batch,
            betas=(0.9, 0.95),
            schedule="coslog",
            regularisation="flat-cosine",
            patience=math.ceil(PATIENCE * epochs),
            halving=HALVING,
        )

    def epochs(self, n_rows: int, scale: float) -> int:
        """32 for 6400 rows (measured: five networks of 16 to 20 epochs are better than one of 100)."""
        return epochs_for(n_rows, 32, scale)

    def core_seconds_per_row(self, shape: Shape) -> float:
        """Measured with the defaults on one core (decision 0030)."""
        return (2.0 + 0.1 * (shape.n_numbers + shape.n_texts) + 0.003 * shape.n_levels) * 1e-6


class DenseNetworks(TableNetworks):
    """The candidate that the inner splits prefer, its networks averaged."""

    name = "dense-network"
    title = "Dense network"
    networks = DenseFamily()
    traits = replace(TableNetworks.traits, central=True)
