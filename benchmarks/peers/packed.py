"""Many networks at once: the packed layers of the `tabm` package, TabM itself, and pytabkit.

`tabm` has layers and no training: the loop around them is the one of its example, with PyTorch's fused AdamW. pytabkit
trains RealMLP-TD-S vectorised over its splits and TabM one by one; its settings are changed only where the work says
so (widths, batch). It scores its validation rows after every epoch: 1/K of the rows with K splits, 2% for TabM; that is
in its time, and stays small.
"""

from __future__ import annotations

import logging
import warnings
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from peers.clock import Epochs, torch_threads
from peers.works import Work, data, tensors

FOLDS = 8


def tabm_layers(work: Work, epochs: int, threads: int, share: float = 1.0, bfloat16: bool = False) -> Epochs:
    """`tabm.LinearEnsemble` for every layer; each member sees all rows in an order of its own.

    With ``share`` only that part of the members is trained: what one of two processes does.
    """
    from tabm import LinearEnsemble

    numbers, classes = tensors(work)
    members = round(work.members * share)
    sizes = (*work.shape, *work.widths, work.classes)
    with torch_threads(threads):
        clock = Epochs(work.rows * members)
        layers: list[nn.Module] = []
        for units, more in pairwise(sizes):
            layers += [LinearEnsemble(units, more, k=members), nn.ReLU()]
        model = nn.Sequential(*layers[:-1])
        optimiser = torch.optim.AdamW(model.parameters(), fused=True)
        for _ in range(epochs):
            orders = torch.stack([torch.randperm(work.rows) for _ in range(members)], dim=1)
            for rows in orders.split(work.batch):
                optimiser.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                    outputs = model(numbers[rows])
                _members_loss(outputs.float(), classes[rows]).backward()
                optimiser.step()
            clock.mark()
    return clock


def _members_loss(outputs: Tensor, classes: Tensor) -> Tensor:
    """The sum over members of each one's mean loss: ``(batch, members, classes)`` and ``(batch, members)``."""
    losses = nn.functional.cross_entropy(outputs.flatten(0, 1), classes.flatten(), reduction="sum")
    return losses / len(classes)


def tabm_model(work: Work, epochs: int, threads: int, bfloat16: bool = False) -> Epochs:
    """`tabm.TabM` at its defaults (32 members that share 3 × 512) and the loop of its example."""
    from tabm import TabM

    numbers, classes = tensors(work)
    with torch_threads(threads):
        clock = Epochs(work.rows)
        model = TabM.make(n_num_features=work.shape[0], d_out=work.classes)
        optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=3e-4, fused=True)
        for _ in range(epochs):
            model.train()
            for rows in torch.randperm(work.rows).split(work.batch):
                optimiser.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                    outputs = model(numbers[rows])
                targets = classes[rows].repeat_interleave(outputs.shape[1])
                nn.functional.cross_entropy(outputs.float().flatten(0, 1), targets).backward()
                optimiser.step()
            clock.mark()
    return clock


def pytabkit_tabm(work: Work, epochs: int, threads: int) -> Epochs:
    """pytabkit's own training of TabM: without embeddings, all members on the same batch, 2% of the rows held out."""
    import pytabkit.models.alg_interfaces.tabm_interface as inside
    from pytabkit import TabM_D_Classifier

    held_out = 0.02
    settings = {"num_emb_type": "none", "n_blocks": 3, "d_block": 512, "share_training_batches": True}
    model = TabM_D_Classifier(
        device="cpu", n_epochs=epochs, batch_size=work.batch, n_threads=threads, val_fraction=held_out, **settings
    )
    score = inside.Metrics.apply

    def scored(*arguments: Any, **named: Any) -> Any:  # called once an epoch, with the held-out rows
        clock.mark()
        return score(*arguments, **named)

    with patch.object(inside.Metrics, "apply", scored):
        clock = Epochs(round(work.rows * (1 - held_out)))
        _fit(model, work, threads)
    return clock


def real_mlp(work: Work, epochs: int, threads: int, share: float = 1.0, folds: int = 0) -> Epochs:
    """pytabkit's RealMLP-TD-S, its splits trained at once: one for each member, or ``folds`` for one candidate."""
    from pytabkit import RealMLP_TD_S_Classifier
    from pytabkit.models.training.lightning_modules import TabNNModule

    splits = folds or round(work.members * share)
    model = RealMLP_TD_S_Classifier(
        device="cpu",
        n_cv=splits,
        n_refit=0,
        n_epochs=epochs,
        batch_size=work.batch,
        hidden_sizes=list(work.widths),
        n_threads=threads,
    )
    after_validation = TabNNModule.on_validation_epoch_end

    def ended(module: Any) -> None:
        after_validation(module)
        clock.mark()

    with patch.object(TabNNModule, "on_validation_epoch_end", ended):
        clock = Epochs(work.rows // splits * (splits - 1) * splits)
        _fit(model, work, threads)
    return clock


def _fit(model: Any, work: Work, threads: int) -> None:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with torch_threads(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(*data(work.shape, work.classes, work.rows))
