"""PyTorch modules of the works that `nn.Sequential` cannot say."""

from __future__ import annotations

from torch import Tensor, nn


class Recurrent(nn.Module):
    """A recurrent layer and a linear one on its last output; ``(batch, time, numbers)`` → ``(batch, classes)``."""

    def __init__(self, kind: str, numbers: int, units: int, classes: int) -> None:
        super().__init__()
        layer = nn.LSTM if kind == "lstm" else nn.GRU
        self.recurrent = layer(numbers, units, batch_first=True)
        self.head = nn.Linear(units, classes)

    def forward(self, series: Tensor) -> Tensor:
        outputs, _ = self.recurrent(series)
        return self.head(outputs[:, -1])  # type: ignore[no-any-return]
