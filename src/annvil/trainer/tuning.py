"""`tune_batch`: what a batch size costs and what it brings, measured for several in equal time."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
import torch

from annvil.data.splits import Split
from annvil.errors import RequestError
from annvil.system.memory import resident_bytes
from annvil.text.quantities import seconds_of
from annvil.trainer.arguments.parse_arguments import read_request
from annvil.trainer.arguments.read_settings import NOT_TUNED, SharedOptions, read_settings, takes_settings
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.monitoring.progress import interruptible
from annvil.trainer.population.train_many import divide
from annvil.trainer.results.batch_sizes import LOSS, BatchSizeComparison, BatchSizeRow
from annvil.training.time_budget import train_in_time

SIZES = tuple(2**power for power in range(4, 13))
"""Batch sizes that are tried, as far as the rows allow: 16 to 4096 (assumed: beyond lies little but less learning)."""

FEWEST_STEPS = 4  # that an epoch must have left for a size to be tried by default (assumed)
LEAST_SECONDS = 1.0  # for one size by default; where the budget gives less to each, every second, fourth … is tried
MOST_EPOCHS = 1000  # of one training by default (assumed: beyond, small tables are only learnt by heart)


@takes_settings(*NOT_TUNED)
def tune_batch(
    network: Any,
    X: Any,
    y: Any = None,
    budget: str | float = "60s",
    batch_sizes: Sequence[int] | None = None,
    *,
    validation: Any = None,
    rates: Sequence[float] = (1.0,),
    **options: Unpack[SharedOptions],
) -> BatchSizeComparison:
    """Measure time per epoch, memory and the score reached in equal time for several batch sizes.

    Returns a `BatchSizeComparison`: print it for the table and a sentence of advice, ``.plot()`` it, or hand its
    ``.settings`` to `annvil.train`. Networks are thrown away, and the user's own stays as it was.

    Parameters
    ----------
    network, X, y, **options : as in `annvil.train`, flat or in groups
    budget : for everything, in seconds or as "90s", "2m"; every size (and rate) has an equal part of it
    batch_sizes : default: powers of two from 16 to 4096, as far as an epoch keeps `FEWEST_STEPS` steps, and fewer of
        them where the budget would give a size less than `LEAST_SECONDS`
    validation : rows to score by: ``(X, y)``, a share, or None for a fifth of the rows
    rates : factors by which the learning rate is multiplied; each is tried, for as long, and the best one counts

    Of the options, ``batch_size`` and ``learning_rate`` are what is known to work, or the defaults of `annvil.train`
    (32 and 0.001): the learning rate of other sizes follows from it. With SGD it grows as the batch does (Goyal et al.
    2017, arXiv 1706.02677), with the other optimizers with its square root (Malladi et al. 2022, arXiv 2205.10287).
    ``epochs`` are at most `MOST_EPOCHS`; the schedule is stretched over those that fit into the time.

    Raises
    ------
    RequestError, DataError
        As `annvil.train`; for batch sizes and rates that are no positive numbers.

    How long an epoch takes is measured, so results hang on the machine and on what else it does.
    """
    seconds = seconds_of(budget)
    settings = read_settings(options, "tune_batch", NOT_TUNED, {"epochs": MOST_EPOCHS, "budget": seconds})
    request = read_request(network, X, y, validation, settings, divides=True)
    (fold,), notices = divide(request, None, None)
    if not isinstance(rates, Sequence) or not rates or not all(map(_is_positive, rates)):
        raise RequestError(f"rates must be a list of positive numbers; got {rates!r}.")
    sizes = _sizes(batch_sizes, len(fold.train), seconds / len(rates))
    return _measure(request, fold, sizes, [float(rate) for rate in rates], seconds, notices)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and 0 < float(value) < math.inf


def _sizes(asked: Sequence[int] | None, n_rows: int, seconds: float) -> list[int]:
    """The batch sizes in ascending order; none larger than the training rows."""
    if asked is not None:
        is_list = isinstance(asked, Sequence | np.ndarray) and len(asked) > 0
        if not is_list or not all(_is_positive(size) and float(size).is_integer() for size in asked):
            raise RequestError(f"batch_sizes must be a list of whole numbers of at least 1; got {asked!r}.")
        return sorted({min(int(size), n_rows) for size in asked})
    fitting = [size for size in SIZES if size * FEWEST_STEPS <= n_rows] or [max(1, n_rows // FEWEST_STEPS)]
    while len(fitting) > 2 and seconds / len(fitting) < LEAST_SECONDS:
        fitting = fitting[::2]
    return fitting


def scaled_rate(learning_rate: float, of: int, to: int, optimizer: str) -> float:
    """The learning rate for batches of ``to`` rows where ``learning_rate`` served for batches of ``of``."""
    ratio = to / of
    return learning_rate * (ratio if optimizer == "sgd" else math.sqrt(ratio))


def _measure(
    request: Request, fold: Split, sizes: Sequence[int], rates: Sequence[float], seconds: float, notices: list[str]
) -> BatchSizeComparison:
    stop = [True]
    # Libraries are loaded and threads are started, so that the first size is not charged for them.
    _tried(request, fold, sizes[0], 1.0, 0.0, None, stop)
    stop.clear()
    base_bytes = resident_bytes()
    end = request.asked_seconds + seconds
    each = max(0.0, end - time.monotonic()) / (len(sizes) * len(rates))
    rows: list[BatchSizeRow] = []
    with interruptible(lambda: stop.append(True)):
        for size in sizes:  # ascending: what memory a smaller one leaves behind, a larger one needs as well
            if stop:
                notices.append("Ctrl-C ended the measurement early: larger batch sizes were not tried.")
                break
            rows.append(
                _best_of([_tried(request, fold, size, rate, each, base_bytes, stop) for rate in rates], request)
            )
    score = request.first_score
    name, greater = (LOSS, False) if score is None else (score.name, score.greater_is_better)
    constant = request.recipe.schedule == "constant"
    return BatchSizeComparison(tuple(rows), each, name, greater, (*request.notices, *notices), constant)


def _tried(
    request: Request, fold: Split, size: int, rate: float, seconds: float, base_bytes: int | None, stop: list[bool]
) -> BatchSizeRow:
    known = float(request.settings["learning_rate"] or 1e-3)
    learning_rate = rate * scaled_rate(known, request.recipe.batch_size, size, request.recipe.optimizer)
    found = train_in_time(
        **request.engine_arguments,
        member=request.member(train=fold.train, validation=fold.test, learning_rate=float(f"{learning_rate:.4g}")),
        recipe=replace(request.recipe, batch_size=size),
        seconds=seconds,
        base_bytes=base_bytes,
        interrupted=lambda: bool(stop),
    )
    population, score = found.population, request.first_score
    value = loss = float(population.validation_loss[0])
    if score is not None and math.isfinite(loss):
        outputs = population.predict(request.inputs, fold.test)[0]
        value = score.compute(outputs, request.targets[torch.from_numpy(fold.test)])
    return BatchSizeRow(
        batch_size=size,
        learning_rate=found.member.learning_rate,
        seconds_per_epoch=found.seconds_per_epoch,
        samples_per_second=found.samples_per_second,
        peak_memory_bytes=found.peak_bytes,
        epochs_reached=found.epochs,
        val_loss=loss,
        best_epoch=int(population.best_epochs[0]),
        score=value,
    )


def _best_of(tried: Sequence[BatchSizeRow], request: Request) -> BatchSizeRow:
    """The rate that counts; speed and memory hang on no rate, so theirs are those of all trainings together."""
    sign = 1.0 if request.first_score is not None and request.first_score.greater_is_better else -1.0
    best = max(tried, key=lambda row: sign * row.score if math.isfinite(row.score) else -math.inf)
    return replace(
        best,
        seconds_per_epoch=min((row.seconds_per_epoch for row in tried if row.seconds_per_epoch), default=None),
        samples_per_second=max((row.samples_per_second for row in tried if row.samples_per_second), default=None),
        peak_memory_bytes=max(row.peak_memory_bytes for row in tried),
    )
