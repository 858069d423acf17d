"""Whether the shipped model's convolutions should compute in 8 bits: tried, measured, and taken only where it pays.

The graph in 8 bits ships when it is as accurate, on pictures that the model did not learn from, and faster on this
machine. Either way a sentence with the numbers goes into manifest and report.
"""

from __future__ import annotations

import time

import numpy as np

from annvil.bundle import Predictor
from annvil.bundle.predictor import BLOCK_VALUES
from annvil.comparison.results import Comparison
from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.kinds.base import Substitute
from annvil.models.jobs import Deadline
from annvil.models.members import Fitted
from annvil.onnx.quantization import has_convolutions, in_eight_bits
from annvil.tasks.base import Decision, FloatArray, IntArray
from annvil.text.quantities import times

CALIBRATED_ON = 128
"""Training pictures whose values fix the steps of 8 bits (assumed: more change the extremes little)."""

JUDGED_ON = 2_000
"""Held-out pictures that are predicted both ways, at most."""

SHARE_OF_WORTH = 0.1
"""Loss that 8 bits may cost, as a share of the gain that would justify another model (assumed: unnoticeable then). The
whole of that gain must be excluded with 95% certainty."""

FEWEST_JUDGES = 300
"""Held-out pictures below which nothing is tried: not one changed answer among so many leaves up to 1% of changed ones
possible (the rule of three)."""

RESAMPLES = 200
"""Bootstrap samples of the loss (assumed: its upper 5% rest on ten of them)."""

LEAST_SPEED_UP = 1.1
"""Less is not worth a second set of numbers (assumed)."""

MANY = 64
"""Pictures at once, of the second timing; fewer where they are large."""

PASSES = 4.0
"""Passes over the held-out and calibrating pictures that the trial may cost (2 measured; the rest is a margin)."""

PAIRS = 15
"""Timings of both graphs in turn, of which the median ratio counts."""


def try_eight_bits(
    graph: bytes,
    dataset: Dataset[Inputs],
    fitted: Fitted,
    comparison: Comparison,
    threshold: Decision,
    deadline: Deadline,
) -> Substitute | None:
    """The graph with convolutions in 8 bits, or why not; None for a model without convolutions."""
    if not has_convolutions(graph):
        return None
    held_out = _held_out(fitted)
    if len(held_out) < FEWEST_JUDGES:
        return Substitute(
            None,
            f"8 bits were not tried: {len(held_out)} pictures were held out, and fewer than {FEWEST_JUDGES} cannot "
            "tell whether a model is as accurate.",
        )
    predictor = Predictor.from_graph(graph, dataset.inputs.form, dataset.task)
    one = dataset.inputs.take(held_out[:1])
    predictor.raw(one)
    started = time.monotonic()
    predictor.raw(one)
    if PASSES * (len(held_out) + CALIBRATED_ON) * (time.monotonic() - started) > deadline.left:
        return Substitute(None, "There was no time to try whether numbers of 8 bits are faster and as accurate.")
    inputs = dataset.inputs.take(held_out)
    before = predictor.raw(inputs)
    quantised = in_eight_bits(graph, _batches(dataset, fitted.job.rows, held_out))
    quick = Predictor.from_graph(quantised, dataset.inputs.form, dataset.task)
    after = quick.raw(inputs)
    many = dataset.inputs.take(fitted.job.rows[: max(1, min(MANY, BLOCK_VALUES // max(inputs.n_values, 1)))])
    gains = [_speed_up(predictor, quick, rows) for rows in (one, many)]
    accurate, said = _judged(dataset, comparison, held_out, before, after, threshold)
    alone, at_once = (f"{times(gain)} times as fast" for gain in gains)
    numbers = (
        f"{alone} on one picture and {at_once} on {many.n_rows} at once, {len(quantised) / len(graph):.0%} of the "
        f"size; {said}"
    )
    if accurate and min(gains) >= LEAST_SPEED_UP:
        return Substitute(quantised, f"Its convolutions compute in 8 bits: {numbers}.")
    reason = "not as accurate" if not accurate else "not faster on this machine"
    return Substitute(None, f"8 bits were tried and left, being {reason}: {numbers}.")


def _held_out(fitted: Fitted) -> IntArray:
    """Rows of the fit that no network of it learnt from, spread over all of them where there are many."""
    rows = fitted.job.rows[np.isfinite(fitted.out_of_fold).all(axis=1)]
    return rows if len(rows) <= JUDGED_ON else rows[np.linspace(0, len(rows) - 1, JUDGED_ON).astype(int)]


def _batches(dataset: Dataset[Inputs], rows: IntArray, held_out: IntArray) -> list[dict[str, np.ndarray]]:
    learnt = np.setdiff1d(rows, held_out)
    chosen = np.sort(np.random.default_rng(0).permutation(learnt if len(learnt) else rows)[:CALIBRATED_ON])
    step = max(1, BLOCK_VALUES // max(dataset.inputs.n_values, 1))
    return [dataset.inputs.take(chosen[start : start + step]).feeds() for start in range(0, len(chosen), step)]


def _judged(
    dataset: Dataset[Inputs],
    comparison: Comparison,
    rows: IntArray,
    before: FloatArray,
    after: FloatArray,
    threshold: Decision,
) -> tuple[bool, str]:
    """Whether 8 bits are as accurate on ``rows``, and by how much not in words."""
    metric, y = dataset.task.metric(comparison.metric), dataset.y[rows]

    def scores(chosen: IntArray) -> tuple[float, float]:
        plain, quick = (metric.score(y[chosen], outputs[chosen], threshold) for outputs in (before, after))
        return plain, quick

    random, n = np.random.default_rng(0), len(rows)
    plain, quick = scores(np.arange(n))
    loss, allowed = metric.gain(plain, quick), SHARE_OF_WORTH * comparison.worth
    resampled = [metric.gain(*scores(random.integers(0, n, n))) for _ in range(RESAMPLES)]
    most = max(loss, float(np.quantile(resampled, 0.95)))
    lost = f"a loss of at most {metric.tells(most)}" if most > 0 else "no loss"
    said = (
        f"{metric.title} {metric.shows(quick)} instead of {metric.shows(plain)} on {n:,} pictures held out, with 95% "
        f"certainty {lost} (allowed: {metric.tells(allowed)} measured, {metric.tells(comparison.worth)} "
        f"possible)"
    )
    return loss <= allowed + 1e-9 and most <= comparison.worth, said  # one of a thousand is a thousandth


def _speed_up(plain: Predictor, quick: Predictor, inputs: Inputs) -> float:
    """How many times as fast the second is, in processor time of this thread: medians of pairs in turn."""
    for predictor in (plain, quick):
        predictor.raw(inputs)
    ratios = [_seconds(plain, inputs) / max(_seconds(quick, inputs), 1e-9) for _ in range(PAIRS)]
    return float(np.median(ratios))


def _seconds(predictor: Predictor, inputs: Inputs) -> float:
    started = time.thread_time()
    predictor.raw(inputs)
    return time.thread_time() - started
