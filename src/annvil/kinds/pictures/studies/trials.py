"""What is kept of a fit of a study."""

from __future__ import annotations

from typing import Any

import msgspec

from annvil.comparison.results import Cost
from annvil.comparison.studies.shelf import as_bytes, losses_from
from annvil.kinds.pictures.studies.operation_counts import GraphCount, count_graph
from annvil.models.members import Fitted
from annvil.tasks.base import FloatArray


class Trial(msgspec.Struct, frozen=True):
    """One network of a study, and how it did on every test picture.

    Attributes
    ----------
    contender, key : who, and which fit of the plan: ``"whole-0"``, ``"shuffled-0"``, ``"curve-180"`` …
    n_train : pictures it was given, validation included
    n_parameters : learnt numbers
    epochs : passes over the training pictures
    summary : what was trained, in words
    configuration : passing it to the contender repeats the choice
    fit_seconds : wall clock
    memory_mb : growth of resident memory while fitting; None where it cannot be told
    losses : float32 bytes, one per test picture (`loss_of`)
    disturbed : name of a disturbance → mean losses over its directions, float32 bytes; of the fits that were asked
    latency_ms, rows_per_second : of the exported graph, from one picture and in batches; None where not measured
    counts : of the exported graph; zeros where it was not asked for
    look, look_shape : weights of the first layer as pictures, float32 bytes (`first_layers.first_looks`); empty where
        not read
    cut_short : its time ended before its training did
    """

    contender: str
    key: str
    n_train: int
    n_parameters: int
    epochs: int
    summary: str
    configuration: dict[str, Any]
    fit_seconds: float
    losses: bytes
    memory_mb: float | None = None
    disturbed: dict[str, bytes] = {}
    latency_ms: float | None = None
    rows_per_second: float | None = None
    counts: GraphCount = GraphCount()
    look: bytes = b""
    look_shape: tuple[int, ...] = ()
    cut_short: bool = False

    @property
    def loss(self) -> FloatArray:
        """Losses ``(n_test,)``."""
        return losses_from(self.losses)

    @property
    def maps(self) -> FloatArray | None:
        """The weights of the first layer ``(n, channels, height, width)``, where they were read."""
        return losses_from(self.look).reshape(self.look_shape) if self.look else None


def trial_of(fitted: Fitted, contender: str, key: str, losses: FloatArray) -> Trial:
    """What is kept of a fit, with its losses on the test pictures ``(n_test,)``."""
    return Trial(
        contender=contender,
        key=key,
        n_train=len(fitted.job.rows),
        n_parameters=fitted.n_parameters,
        epochs=max((len(values) for values in fitted.history.values()), default=0),
        summary=fitted.summary,
        configuration=dict(fitted.configuration),
        fit_seconds=fitted.fit_seconds,
        losses=as_bytes(losses),
        cut_short=fitted.cut_short,
    )


def what_ships(cost: Cost | None, graph: bytes | None) -> dict[str, Any]:
    """Fields of a trial that are measured and counted on its exported graph."""
    return {
        "latency_ms": None if cost is None else cost.latency_ms_p50,
        "rows_per_second": None if cost is None else cost.rows_per_second,
        "counts": GraphCount() if graph is None else count_graph(graph),
    }
