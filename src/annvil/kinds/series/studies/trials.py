"""What is kept of a fit of a study of memory."""

from __future__ import annotations

import msgspec

from annvil.comparison.studies.shelf import losses_from
from annvil.tasks.base import FloatArray


class Trial(msgspec.Struct, frozen=True):
    """One network, and how it did on every test series.

    Attributes
    ----------
    contender, key : the side, and which fit of the plan
    n_train : series it was given, validation included
    n_parameters : learnt numbers
    summary : what was trained, in words
    fit_seconds : wall clock
    losses : float32 bytes, one per test series
    longer : of a network that learnt from a part of the steps: losses on whole series; else empty
    reach : norms of gradients by lag (`annvil.kinds.series.studies.memory.reach`); empty where there is no feedback
    patch : steps of a lag
    streaming : the largest difference of the stream, and seconds of one more step; None where there is no state
    alone : seconds to predict one of the longest test series by itself; None where not measured
    seconds : length → seconds to predict one series, measured several times
    """

    contender: str
    key: str
    n_train: int
    n_parameters: int
    summary: str
    fit_seconds: float
    losses: bytes
    longer: bytes = b""
    reach: tuple[float, ...] = ()
    patch: int = 1
    streaming: tuple[float, float] | None = None
    alone: float | None = None
    seconds: dict[int, tuple[float, ...]] = {}

    @property
    def loss(self) -> FloatArray:
        """Losses ``(n_test,)``."""
        return losses_from(self.losses)

    @property
    def longer_loss(self) -> FloatArray:
        """Losses on whole series ``(n_test,)``."""
        return losses_from(self.longer)
