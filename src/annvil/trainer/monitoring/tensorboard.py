"""A training as TensorBoard shows it: curves of every number of the history, and histograms if they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from annvil.errors import MachineError
from annvil.trainer.monitoring.callbacks import Callback, Logs


class TensorBoard(Callback):
    """Writes to ``folder`` what ``tensorboard --logdir folder`` shows.

    Scalars are named as in the history ("loss", "val_loss", "learning_rate", …), their steps are epochs; of several
    networks each has its own ("loss/3"). ``histograms``: also the weights and the gradients of the first network, by
    parameter, every epoch; off by default, because they take more time and space than small networks do.
    """

    def __init__(self, folder: str | Path, histograms: bool = False) -> None:
        self._folder, self._histograms = Path(folder), histograms
        self._writer: Any = None

    def on_train_begin(self, logs: Logs) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MachineError(
                "tensorboard=… needs the package tensorboard, which is missing: pip install 'annvil[tensorboard]'."
            ) from error
        self._writer = SummaryWriter(str(self._folder))
        self._writer.add_text("settings", "\n".join(f"- {name}: {value}" for name, value in logs.items()))

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool | None:
        for name, value in logs.items():
            values = np.atleast_1d(np.asarray(value, dtype=np.float64))
            for number, one in enumerate(values):
                self._writer.add_scalar(name if len(values) == 1 else f"{name}/{number}", float(one), epoch)
        if self._histograms and self.look is not None:
            for name, parameter in self.look.network(0).named_parameters():
                self._writer.add_histogram(f"weights/{name}", parameter.detach(), epoch)
            for name, gradient in self.look.gradients(0).items():
                self._writer.add_histogram(f"gradients/{name}", gradient, epoch)
        self._writer.flush()
        return None

    def on_notice(self, sentence: str) -> None:
        if self._writer is not None:
            self._writer.add_text("notices", sentence)

    def on_train_end(self, logs: Logs) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
