"""What is measured on a trained network: how far back gradients reach, what a step costs, what length costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.bundle import Predictor, export, export_step
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.series import Series
from annvil.models.members import Fitted, Member
from annvil.tasks.base import FloatArray, Task

if TYPE_CHECKING:
    import torch
    from torch import nn

    from annvil.networks.recurrent import RecurrentNetwork

MOST_SERIES, DIRECTIONS = 64, 8
"""Series whose gradients are followed, and random directions of the last state (assumed)."""

REPEATS = 5
"""Times that a duration is measured; an interval is over them."""

SERIES_AT_ONCE = 16
"""Series of a batch whose time is taken (assumed)."""

PREFIXES = 6
"""Beginnings of a series at which the stream is compared with the network on all that came until then."""

LONGEST_TIMED = 4096

NOTHING = 1e-30
"""Norms below it count as this, so that they have a logarithm."""


def reach(network: RecurrentNetwork, series: Series) -> FloatArray:
    """Norm of the gradient of the last state by each input, by lag: geometric mean over series, 1 at lag 0.

    Lags count steps of the recurrence, so patches where it goes from patch to patch; ``(n_lags,)`` of the longest
    series. The state is seen in random directions: all of the Jacobian matrix, in the mean (Hochreiter 1991; Bengio et
    al. 1994, IEEE TNN 5(2); Pascanu et al. 2013, arXiv 1211.5063, section 2).
    """
    import torch

    values, lengths = _longest(series, MOST_SERIES)
    generator = torch.Generator().manual_seed(0)
    network.eval()
    with torch.enable_grad():
        x, _ = network.input(values, lengths)
        read = network.read(x).detach().requires_grad_()
        states = network.recurrences[0](read)[0]
        ends = (lengths - 1).div(network.architecture.patch, rounding_mode="floor")
        last = states[torch.arange(len(ends)), ends]
        squares = torch.zeros(read.shape[:2], dtype=torch.float64)
        for _ in range(DIRECTIONS):
            way = torch.randn(last.shape[1], generator=generator)
            gradient = torch.autograd.grad((last @ way).sum(), read, retain_graph=True)[0]
            squares += gradient.double().square().sum(dim=2)
    return _by_lag(squares.sqrt().numpy(), ends.numpy())


def _by_lag(norms: FloatArray, ends: Any) -> FloatArray:
    """Mean logarithm over series that are long enough, as a factor of lag 0."""
    logs = np.log(np.maximum(norms, NOTHING))
    found = []
    for lag in range(int(ends.max()) + 1):
        some = np.flatnonzero(ends >= lag)
        found.append(float(np.mean(logs[some, ends[some] - lag])))
    return np.asarray(np.exp(np.array(found) - found[0]))


def as_saved(fitted: Fitted | Member, form: SeriesForm, task: Task) -> Predictor:
    """The model that a bundle of it would be, with its steps if it has some."""
    return Predictor.from_graph(export(fitted, form, task), form, task, export_step(fitted.stepper(), task))


def streamed(model: Predictor, series: Series) -> tuple[float, float]:
    """The largest difference between carrying the state along and seeing all steps so far, over prefixes of the longest
    series; and seconds of one more step with the state at hand. In the runtime of the bundle, as of `seconds_alone`."""
    one = _longest(series, 1)[0][0].numpy()
    n_steps = one.shape[1]
    stream, outputs, took = model.stream(), [], []
    for values in one.T:
        began = time.perf_counter()
        outputs.append(stream.step(values))
        took.append(time.perf_counter() - began)
    chosen = {*range(1, n_steps + 1, max(1, n_steps // PREFIXES)), n_steps}
    beginnings = ((n, model.raw(series_from_arrays([one[:, :n]], series.form))) for n in chosen)
    return max(float(np.abs(whole - outputs[n - 1]).max()) for n, whole in beginnings), float(np.median(took))


def seconds_alone(model: Predictor, series: Series) -> float:
    """To predict one series of the longest, alone."""
    one = series_from_arrays([_longest(series, 1)[0][0].numpy()], series.form)
    return float(np.median(_timed(lambda: model.raw(one), 4 * REPEATS)))


def seconds_by_length(network: nn.Module, series: Series) -> dict[int, list[float]]:
    """Seconds to predict one series at a quarter to four times the longest length, `REPEATS` times each: a batch of
    `SERIES_AT_ONCE`, repeated to the length, in PyTorch on one thread."""
    import torch

    from annvil.training.system.hardware import threads

    values, _ = _longest(series, SERIES_AT_ONCE)
    n_steps = values.shape[2]
    lengths = sorted({min(LONGEST_TIMED, max(1, round(n_steps * factor))) for factor in (0.25, 0.5, 1, 2, 4)})
    found = {}
    network.eval()
    with torch.inference_mode(), threads(1):
        for n in lengths:
            some = values.repeat(1, 1, -(-n // n_steps))[:, :, :n].contiguous()
            work = partial(network, some, torch.full((len(some),), n))
            found[n] = [one / len(some) for one in _timed(work)]
    return found


def _timed(work: Callable[[], Any], repeats: int = REPEATS) -> list[float]:
    work()
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def _longest(series: Series, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The longest series, so many at most, as a network takes them; a channel without values is 0."""
    import torch

    rows = np.argsort(-series.lengths, kind="stable")[:most]
    values, lengths = series.take(rows).padded()
    return torch.from_numpy(np.nan_to_num(values)), torch.from_numpy(lengths)
