"""When the epochs of a training ended: the only thing that is timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Epochs:
    """One call of a trainer.

    Attributes
    ----------
    samples : member-samples of an epoch
    start : when the trainer was called, its libraries imported and its data in memory
    marks : when each epoch ended
    """

    samples: int
    start: float = field(default_factory=time.perf_counter)
    marks: list[float] = field(default_factory=list)

    def mark(self, *_: object) -> None:
        """An epoch ends now."""
        self.marks.append(time.perf_counter())

    @property
    def rate(self) -> float:
        """Samples per second over all epochs but the first, which pays for building, compiling and recording."""
        return self.samples * (len(self.marks) - 1) / (self.marks[-1] - self.marks[0])

    @property
    def setup_seconds(self) -> float:
        """What the first epoch took beyond a later one."""
        return max(0.0, self.marks[0] - self.start - self.samples / self.rate)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """PyTorch's threads inside operations; put back afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
