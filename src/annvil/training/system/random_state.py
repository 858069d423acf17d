"""Random numbers that follow from a seed, without a trace in the generators of the process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The generators that all code of a process shares (PyTorch's on the CPU, Python's, NumPy's old one) start from
    ``seed``, and are as they were before afterwards.

    They are the process's own: no two threads may be in here at the same time.
    """
    before = torch.default_generator.get_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002
        yield
    finally:
        torch.default_generator.set_state(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])  # noqa: NPY002


def fingerprint() -> tuple[object, ...]:
    """Something that is different after a random number was drawn from one of those generators."""
    mine = np.random.get_state()  # noqa: NPY002
    torch_state = torch.default_generator.get_state().numpy().tobytes()
    return torch_state, random.getstate(), mine[1].tobytes(), mine[2]  # type: ignore[index]
