"""Dense networks: the best of a population of candidates, averaged over the inner splits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from annvil.data.table import Dataset
from annvil.models.contract import BaseContender, Context, Effort, Family, Fitted, Job, Shape, Traits
from annvil.models.networks.bag import NetworkBag
from annvil.models.networks.recipe import (
    HALVING,
    PATIENCE,
    Settings,
    Sizes,
    batch_size,
    epochs_for,
    plan_search,
    settings_for,
)
from annvil.models.networks.search import Searched, TrainedCandidate, search

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.training import Recipe

EMBEDDING_FREQUENCIES = 16
EMBEDDING_SIZE = 4
FEW_ROWS = 2_000
"""Up to here two layers of 64 do as well as 128, in half the time (measured)."""

MOST_EMBEDDED = 256
"""Beyond so many continuous columns they go in as they are (assumed): embedding them would cost more than the rest."""


class DenseArchitecture:
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

    def bins(self, sizes: Sizes) -> int:
        """None: numbers are embedded by cosines."""
        return 0

    def shape(self, sizes: Sizes, settings: Settings) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return settings.widths or ((64, 64) if sizes.n_rows < FEW_ROWS else (128, 128))

    def network(self, sizes: Sizes, settings: Settings, numbers: Tensor, codes: Tensor, seed: int) -> nn.Module:
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
            widths=self.shape(sizes, settings),
            activation="silu",
            parametric=False,
            embedding=embedding,
            embedded=embedded,
            dropout=settings.dropout,
        )
        network.fit_initial_weights(numbers, codes, generator)
        return network

    def recipe(self, sizes: Sizes, settings: Settings, scale: float) -> Recipe:
        """RealMLP's schedules; batches by rows."""
        from annvil.training import Recipe

        batch = settings.batch_size or batch_size(sizes.n_rows)
        epochs = settings.epochs or self.epochs(sizes.n_rows, scale)
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


class DenseNetworks(BaseContender):
    """The candidate that the inner splits prefer, its networks averaged."""

    name = "dense-network"
    title = "Dense network"
    family: Family = "network"
    architecture = DenseArchitecture()
    traits = Traits(scales=True, weights_classes=True)

    def plan(self, shape: Shape, n_jobs: int, n_inner: int, seconds: float) -> Effort:
        """As many candidates as the time allows, all networks of a call trained as populations."""
        return plan_search(self.architecture, shape, n_jobs, n_inner, seconds)

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Train the population, choose for every job."""

        def settings_of(job: Job) -> Sequence[Settings]:
            return settings_for(self.architecture, dataset, job, effort)

        for searched in search(dataset, jobs, self.architecture, settings_of, effort.scale, effort.options, context):
            yield best_fitted(self.name, dataset, searched)


def best_fitted(name: str, dataset: Dataset, searched: Searched) -> Fitted:
    """The best candidate of a search as a result."""
    best = min(searched.candidates, key=lambda candidate: candidate.trial.score)
    share = 1 / len(best.networks)
    shares = (share,) * len(best.networks)
    bag = NetworkBag(searched.preparation, best.networks, shares, searched.target, dataset.task.link)
    return Fitted(
        contender=name,
        job=searched.job,
        task=dataset.task,
        members=(bag,),
        calibration=best.trial.calibration,
        out_of_fold=best.trial.out_of_fold,
        configuration=best.settings.to_json(),
        summary=summary_of(best),
        tried=tuple(candidate.trial.to_json() for candidate in searched.candidates),
        fit_seconds=searched.fit_seconds,
        core_seconds=searched.core_seconds,
        history=mean_curves(best),
        notes=notes_of(searched),
        cut_short=searched.cut_short,
    )


def summary_of(best: TrainedCandidate) -> str:
    """For people: ``"2 layers of 128, learning rate 0.04, …, 5 networks averaged, best epoch 41 of 64"``."""
    several = f"{len(best.networks)} networks averaged, " if len(best.networks) > 1 else ""
    epoch = round(float(np.mean(best.best_epochs)))
    return f"{_layers(best.widths)}, {best.settings.describe()}, {several}best epoch {epoch} of {best.epochs}"


def _layers(widths: tuple[int, ...]) -> str:
    if len(set(widths)) == 1:
        return f"{len(widths)} layers of {widths[0]}" if len(widths) > 1 else f"1 layer of {widths[0]}"
    return "layers of " + ", ".join(map(str, widths))


def mean_curves(best: TrainedCandidate) -> dict[str, list[float]]:
    """Losses per epoch, averaged over the networks that still trained then."""
    curves = {}
    for name in ("train_loss", "validation_loss"):
        lists = [history[name] for history in best.histories]
        longest = max(len(values) for values in lists)
        padded = np.array([[*values, *[np.nan] * (longest - len(values))] for values in lists])
        with np.errstate(all="ignore"):
            curves[name] = [float(np.nanmean(column)) for column in padded.T if not np.isnan(column).all()]
    return curves


def notes_of(searched: Searched) -> tuple[str, ...]:
    """What should be said aloud: candidates that diverged."""
    notes = []
    for candidate in searched.candidates:
        for state in candidate.states:
            if state.startswith("diverged"):
                notes.append(f"A network with {candidate.settings.describe()} {state}.")
                break
    return tuple(notes)
