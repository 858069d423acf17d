"""One network at a time: a plain PyTorch loop, scikit-learn, skorch, Lightning; and the machine's own matrix product.

All train with AdamW (scikit-learn: Adam) at their defaults, on data in memory, in a new order every epoch, without
validation. PyTorch's optimiser is the fused one. Lightning gets a loader that cuts whole batches out of tensors, which
is several times faster than the row-by-row `DataLoader` of its introduction; skorch gets it too.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from peers.clock import Epochs, torch_threads
from peers.works import Work, data, network, tensors


def warm_up() -> None:
    """One step of PyTorch, so that what its optimisers import is charged to nobody."""
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    torch.optim.AdamW(layer.parameters(), fused=True).step()


class Batches:
    """Batches of shuffled rows, gathered at once."""

    def __init__(self, dataset: Any, batch_size: int, **_: Any) -> None:
        self.numbers, self.classes = (torch.as_tensor(part) for part in dataset)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.classes) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(self.classes)).split(self.batch_size):
            yield self.numbers[rows], self.classes[rows]


def plain_pytorch(work: Work, epochs: int, threads: int, channels_last: bool = False, bfloat16: bool = False) -> Epochs:
    """The loop of every introduction, with nothing in it that costs."""
    numbers, classes = tensors(work)
    with torch_threads(threads):
        clock = Epochs(work.rows)
        model = network(work)
        if channels_last:
            model, numbers = (thing.to(memory_format=torch.channels_last) for thing in (model, numbers))
        optimiser = torch.optim.AdamW(model.parameters(), fused=True)
        for _ in range(epochs):
            for rows in torch.randperm(work.rows).split(work.batch):
                optimiser.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                    loss = nn.functional.cross_entropy(model(numbers[rows]), classes[rows])
                loss.backward()
                optimiser.step()
            clock.mark()
    return clock


def scikit_learn(work: Work, epochs: int, threads: int) -> Epochs:
    """`MLPClassifier`. It has nothing to compile: its marks are the beginning and the end of ``fit``."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    numbers, classes = data(work.shape, work.classes, work.rows)
    model = MLPClassifier(work.widths, batch_size=work.batch, max_iter=epochs - 1, n_iter_no_change=10_000, tol=0)
    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clock = Epochs(work.rows)
        clock.mark()
        model.fit(numbers, classes)
        clock.marks += [clock.marks[0]] * (epochs - 2)
        clock.mark()
    return clock


def skorch(work: Work, epochs: int, threads: int) -> Epochs:
    """`NeuralNetClassifier` with its default callbacks, but without printing and without holding rows out."""
    from skorch import NeuralNetClassifier
    from skorch.callbacks import Callback

    class Clock(Callback):  # type: ignore[misc]
        def on_epoch_end(self, net: Any, **_: Any) -> None:
            clock.mark()

    numbers, classes = data(work.shape, work.classes, work.rows)
    with torch_threads(threads):
        clock = Epochs(work.rows)
        net = NeuralNetClassifier(
            network(work),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            optimizer__fused=True,
            max_epochs=epochs,
            batch_size=work.batch,
            train_split=None,
            iterator_train=_skorch_batches,
            callbacks=[("clock", Clock())],
            verbose=0,
        )
        net.fit(numbers, classes)
    return clock


def _skorch_batches(dataset: Any, batch_size: int, **_: Any) -> Batches:
    return Batches((dataset.X, dataset.y), batch_size)


def lightning(work: Work, epochs: int, threads: int) -> Epochs:
    """A `LightningModule` of ten lines and a `Trainer` without logger, checkpoints and progress bar."""
    import lightning.pytorch as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = network(work)

        def training_step(self, batch: Any, _: int) -> Tensor:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), fused=True)

        def on_train_epoch_end(self) -> None:
            clock.mark()

    for name in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with torch_threads(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clock = Epochs(work.rows)
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            barebones=False,
        )
        trainer.fit(Module(), Batches(tensors(work), work.batch))
    return clock


PRODUCT = 2048
"""Rows, columns and inner length of the product that stands for the machine's peak."""


def matrix_product(work: Work, epochs: int, threads: int, bfloat16: bool = False) -> Epochs:
    """The machine's matrix peak: its "samples" are floating-point operations, its epochs single products."""
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    left, right, product = (torch.ones(PRODUCT, PRODUCT, dtype=dtype) for _ in range(3))
    with torch_threads(threads):
        clock = Epochs(2 * PRODUCT**3)
        for _ in range(epochs):
            torch.mm(left, right, out=product)
            clock.mark()
    return clock


def flops(work: Work) -> float:
    """Floating-point operations of matrix products and convolutions for one sample: forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    numbers, classes = tensors(work)
    model = network(work)
    counter = FlopCounterMode(display=False)
    with counter:
        nn.functional.cross_entropy(model(numbers[: work.batch]), classes[: work.batch]).backward()
    return counter.get_total_flops() / work.batch
