"""Annvil as it comes: `train_population` and `annvil.train`, choosing threads, and precision too unless told."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

import annvil
from annvil.training import Member, Progress, Recipe, train_population
from peers.clock import Epochs
from peers.packed import FOLDS
from peers.works import Work, data, keras_data, keras_network, network, tensors


def population(work: Work, epochs: int, threads: int, precision: str = "auto", folds: int = 0) -> Epochs:
    """The work's members, each on all rows; or, with ``folds``, on its own fold with the rest held out.

    ``threads`` 0 leaves the number of cores to Annvil.
    """
    numbers, classes = tensors(work)
    clock = Epochs(work.samples)

    def tell(progress: Progress) -> None:
        if not progress.notice:
            clock.mark()

    recipe = Recipe(epochs, work.batch, precision=precision, threads=threads or "auto")  # type: ignore[arg-type]
    everything, nothing = np.arange(work.rows), np.arange(0)
    dropout = None if work.kind == "tabm" else 0.0  # None: as the module says
    members = [Member(everything, nothing, k, dropout=dropout) for k in range(work.members)]
    if folds:
        members = _folded(work)
        clock.samples = sum(len(member.train) for member in members)
    inputs = (numbers, numbers.new_zeros(work.rows, 0).long()) if work.kind == "tabm" else (numbers,)  # no categories
    train_population(lambda m: _network(work, m), inputs, classes, members, recipe, "cross-entropy", tell=tell)
    return clock


def _folded(work: Work) -> list[Member]:
    """Candidates with learning rates of their own, each in every fold."""
    rows = np.arange(work.rows)
    rates = np.geomspace(1e-3, 1e-2, work.members // FOLDS)
    return [
        Member(rows[rows % FOLDS != fold], rows[rows % FOLDS == fold], fold, float(rate), candidate=candidate)
        for candidate, rate in enumerate(rates)
        for fold in range(FOLDS)
    ]


def _network(work: Work, member: Member) -> nn.Module:
    if work.kind != "tabm":
        return network(work, member.seed)  # type: ignore[no-any-return]
    import torch

    from annvil.networks import SharedEnsemble

    return SharedEnsemble(work.shape[0], (), work.classes, torch.Generator().manual_seed(member.seed))


def tabm_itself(work: Work, epochs: int, threads: int, precision: str = "auto") -> Epochs:
    """The module of the `tabm` package, trained by Annvil: any module will do."""
    from tabm import TabM

    numbers, classes = tensors(work)
    clock = Epochs(work.samples)
    recipe = Recipe(epochs, work.batch, precision=precision)  # type: ignore[arg-type]

    def make(_: Member) -> Any:
        return TabM.make(n_num_features=work.shape[0], d_out=work.classes)

    member = Member(np.arange(work.rows), np.arange(0), 0, 2e-3, 3e-4, dropout=None)
    train_population(make, (numbers,), classes, [member], recipe, "cross-entropy", tell=clock.mark)
    return clock


def one_line(work: Work, epochs: int, threads: int) -> Epochs:
    """`annvil.train` with the module."""
    numbers, classes = data(work.shape, work.classes, work.rows)
    return _train(network(work), work, epochs, numbers, classes)


def keras_model(work: Work, epochs: int, threads: int) -> Epochs:
    """`annvil.train` with the compiled Keras model."""
    from keras.losses import SparseCategoricalCrossentropy

    model = keras_network(work)
    model.compile(optimizer="adamw", loss=SparseCategoricalCrossentropy(from_logits=True))
    return _train(model, work, epochs, *keras_data(work))


def _train(model: Any, work: Work, epochs: int, numbers: np.ndarray, classes: np.ndarray) -> Epochs:
    clock = Epochs(work.rows)

    def ended(epoch: int, logs: Any) -> None:
        clock.mark()

    annvil.train(model, numbers, classes, epochs=epochs, batch_size=work.batch, callbacks=[ended], verbose=False)
    return clock
